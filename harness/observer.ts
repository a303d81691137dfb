// Notices what a cache reports about its own answers.

import type { CacheUnderTest } from './cache-under-test.ts'

export class Observer {
  #hits: string[] = []
  #troubles = 0

  constructor(
    cache: CacheUnderTest,
    troubled: (during: string, error: Error) => void,
    violated: (error: Error) => void,
  ) {
    cache.on('hit', ({ key, tier }) => {
      if (tier === 'local') this.#hits.push(key)
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

  /** Makes a call and tells which keys were hit locally: that happens before it returns. */
  call<T>(run: () => Promise<T>): { promise: Promise<T>; hits: readonly string[] } {
    const hits: string[] = []
    this.#hits = hits
    const promise = run()
    this.#hits = []
    return { promise, hits }
  }
}
