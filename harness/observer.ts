// Notices what a cache reports about its own answers.

import type { CacheUnderTest } from './cache-under-test.ts'
import { now } from './history.ts'

// A second for the syncs that it waits for, and the time of a statement on a busy machine.
const REFETCH_MS = 5_000

export class Observer {
  #hits: string[] = []
  #troubles = 0
  /** What was dropped because it had changed, and since when it can have been read again. */
  readonly #changed = new Map<string, { readonly at: number; from: number }>()

  constructor(
    cache: CacheUnderTest,
    troubled: (during: string, error: Error) => void,
    violated: (error: Error) => void,
  ) {
    cache.on('hit', ({ key, tier }) => {
      if (tier === 'local') this.#hits.push(key)
    })
    cache.on('evicted', ({ key, reason }) => {
      const at = now()
      if (reason === 'changed') this.#changed.set(key, { at, from: at })
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

  /** Since when the cache can have been reading the key again by itself; null: it cannot. */
  refetchedFrom(key: string): number | null {
    const changed = this.#changed.get(key)
    return changed === undefined || now() - changed.at > REFETCH_MS ? null : changed.from
  }

  /** A read of the key has ended that began when refetchedFrom() was as given: what is under way from now on began later. */
  hasRead(key: string, refetchedFrom: number | null): void {
    const changed = this.#changed.get(key)
    if (changed?.from === refetchedFrom) changed.from = now()
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
