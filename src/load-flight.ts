// What callers share: a load, and of it one flight for each key. A flight settles by itself, so that nobody waits for the slowest of its load.

import type { ResolvedLoadOptions } from './options.ts'
import type { RunLoader } from './running-load.ts'

export interface LoadResult {
  readonly value: unknown
  readonly origin: 'store' | 'loader' | 'stale'
}

/** What one call has begun: one key, or those of a getOrSetMany that nobody was loading. */
export class Load {
  readonly run: RunLoader
  readonly options: ResolvedLoadOptions
  readonly flights: readonly LoadFlight[]
  readonly #controller = new AbortController()

  constructor(keys: readonly string[], run: RunLoader, options: ResolvedLoadOptions) {
    this.run = run
    this.options = options
    this.flights = keys.map((key) => new LoadFlight(key, this))
  }

  /** Aborted when the last caller has given up. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** A flight has lost its last caller. */
  abandoned(reason: unknown): void {
    if (this.flights.every(({ isWanted }) => !isWanted)) this.#controller.abort(reason)
  }

  /** Fails whatever has not settled. */
  fail(error: unknown): void {
    for (const flight of this.flights) flight.fail(error)
  }
}

export class LoadFlight {
  readonly key: string
  readonly load: Load
  readonly result: Promise<LoadResult>
  /** Callers that wait for it; Infinity once one of them cannot give up. */
  waiters = 0
  #isSettled = false
  #resolve!: (result: LoadResult) => void
  #reject!: (error: unknown) => void

  constructor(key: string, load: Load) {
    this.key = key
    this.load = load
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Callers hear of a failure through promises of their own; there may be none left.
    this.result.catch(() => {})
  }

  get isWanted(): boolean {
    return !this.#isSettled && this.waiters > 0
  }

  settle(result: LoadResult): void {
    this.#isSettled = true
    this.#resolve(result)
  }

  fail(error: unknown): void {
    this.#isSettled = true
    this.#reject(error)
  }
}
