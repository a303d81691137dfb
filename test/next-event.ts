// Waits for what a cache reports, instead of sleeping.

import type { Cache } from '../src/contract.ts'
import type { CacheEvents } from '../src/events.ts'

/** The next such event that matches. Call it before whatever causes the event. */
export function nextEvent<E extends keyof CacheEvents>(
  cache: Cache,
  event: E,
  matches: (payload: CacheEvents[E]) => boolean = () => true,
): Promise<CacheEvents[E]> {
  return new Promise((resolve) => {
    const off = cache.on(event, (payload) => {
      if (!matches(payload)) return
      off()
      resolve(payload)
    })
  })
}
