// Notices what a cache reports about its own answers.

import type { CacheUnderTest } from './cache-under-test.ts'
import { now } from './history.ts'

export class Observer {
  #hits: string[] = []
  #troubles = 0
  /** What was dropped because it had changed, and when. */
  readonly #changed = new Map<string, number>()

  constructor(
    cache: CacheUnderTest,
    troubled: (during: string, error: Error) => void,
    violated: (error: Error) => void,
  ) {
    cache.on('hit', ({ key, tier }) => {
      if (tier === 'local') this.#hits.push(key)
    })
    cache.on('evicted', ({ key, reason }) => {
      if (reason === 'changed') this.#changed.set(key, now())
    })
    cache.on('violation-found', ({ key }) => {
      violated(
        Object.assign(new Error(`what was held of ${key} was not what is stored`), { code: 'wrong hit' }),
      )
    })
    cache.on('error', ({ error, operation }) => {
      this.#troubles++
      troubled(operation, error)
    })
  }

  /** Failures that the cache has reported and survived. */
  get troubles(): number {
    return this.#troubles
  }

  /** Since when the cache may be reading the key again by itself. */
  refetchedFrom(key: string): number | null {
    return this.#changed.get(key) ?? null
  }

  /** A read of the key has ended that began when refetchedFrom() was as given: nothing older is under way. */
  hasRead(key: string, refetchedFrom: number | null): void {
    if (this.#changed.get(key) === refetchedFrom) this.#changed.delete(key)
  }

  /** Makes a call and tells which keys were hit locally: that happens before it returns. */
  call<T>(run: () => Promise<T>): { promise: Promise<T>; hits: readonly string[] } {
    const hits: string[] = []
    this.#hits = hits
    const promise = run()
    this.#hits = []
    return { promise, hits }
  }
}
