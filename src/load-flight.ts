// What callers share: a load, and of it one flight for each key. A flight settles by itself, so that nobody waits for the slowest of its load.

import type { StoredEntry } from './core/entry.ts'
import { CacheError } from './core/errors.ts'
import type { LoadResult } from './load-result.ts'
import { loadedTtl, type ResolvedLoadOptions } from './options.ts'
import type { RunLoader } from './running-load.ts'

/** `miss`: nothing fresh is there. `force`: whatever is there. `refresh`: what is there will soon not be fresh. */
export type LoadPurpose = 'miss' | 'force' | 'refresh'

/** What may be served at this moment in the place of what is being loaded. */
export type StandIn = () => LoadResult | null

export interface LoadListener {
  /** Nobody may join the flight any more. */
  landed(flight: LoadFlight): void
  /** A caller left without it, and it is to be finished all the same. */
  leftBehind(load: Load): void
}

/** What one call has begun: one key, or those of a getOrSetMany that nobody was loading. */
export class Load {
  readonly run: RunLoader
  readonly options: ResolvedLoadOptions
  readonly purpose: LoadPurpose
  readonly flights: readonly LoadFlight[]
  readonly #listener: LoadListener
  readonly #controller = new AbortController()
  #goesOn = false

  constructor(
    keys: readonly string[],
    run: RunLoader,
    options: ResolvedLoadOptions,
    purpose: LoadPurpose,
    listener: LoadListener,
  ) {
    this.purpose = purpose
    this.run = run
    this.options = options
    this.#listener = listener
    this.flights = keys.map((key) => new LoadFlight(key, this, listener))
  }

  /** Aborted when the last caller has given up. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get isWanted(): boolean {
    return this.flights.some(({ isWanted }) => isWanted)
  }

  get #hasCallers(): boolean {
    return this.flights.some(({ hasCallers }) => hasCallers)
  }

  /** Whether a value that is there makes the load unnecessary. One by force asks for none. */
  isSatisfiedBy({ freshMs }: Pick<StoredEntry, 'freshMs'>, value: unknown): boolean {
    return freshMs > (this.purpose === 'refresh' ? refreshWindow(this.options, value) : 0)
  }

  /** Whoever gives up from now on, it is finished. */
  goOn(): void {
    if (this.#goesOn) return
    this.#goesOn = true
    this.#listener.leftBehind(this)
  }

  /** A flight has lost its last caller. */
  abandoned(reason: unknown): void {
    if (!this.#goesOn && !this.#hasCallers) this.#controller.abort(reason)
  }

  /** Fails whatever has not settled. */
  fail(error: unknown): void {
    for (const flight of this.flights) flight.fail(error)
  }
}

/** How long before the end of its ttl a value may be loaded again. */
export function refreshWindow(options: ResolvedLoadOptions, value: unknown): number {
  const ttlMs = loadedTtl(options, value)
  return ttlMs === null ? 0 : ttlMs * options.refreshAhead
}

export class LoadFlight {
  readonly key: string
  readonly load: Load
  readonly result: Promise<LoadResult>
  /** Resolves once it is known what is stale. */
  readonly isRead: Promise<void>
  /** Who has neither an answer nor given up; Infinity once one of them cannot give up. */
  callers = 0
  /** Those of them that wait for its end, and not only to hear what is stale. */
  waiters = 0
  readonly #listener: LoadListener
  #held: StandIn = () => null
  /** Null: the store has not answered. */
  #standIn: StandIn | null = null
  #isSettled = false
  #resolve!: (result: LoadResult) => void
  #reject!: (error: unknown) => void
  #read!: () => void

  constructor(key: string, load: Load, listener: LoadListener) {
    this.key = key
    this.load = load
    this.#listener = listener
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.isRead = new Promise((resolve) => {
      this.#read = resolve
    })
    // Callers hear of a failure through promises of their own; there may be none left.
    this.result.catch(() => {})
  }

  get isWanted(): boolean {
    return !this.#isSettled && this.waiters > 0
  }

  get hasCallers(): boolean {
    return !this.#isSettled && this.callers > 0
  }

  /** What may be served in its place. `heldToo`: before the store has answered, what the local cache holds. */
  stale(heldToo: boolean): LoadResult | null {
    if (this.#standIn !== null) return this.#standIn()
    return heldToo ? this.#held() : null
  }

  /** What the local cache holds of it. */
  hold(held: StandIn): void {
    this.#held = held
  }

  offer(standIn: StandIn): void {
    this.#standIn = standIn
    this.#read()
  }

  settle(result: LoadResult): void {
    this.#land()
    this.#resolve(result)
  }

  fail(error: unknown): void {
    this.#land()
    this.#reject(error)
  }

  /** Nobody waits for it: it ends without a result. Whoever has just found that its stand-in has expired is told so. */
  drop(): void {
    const message = `the load of key ${JSON.stringify(this.key)} was left to somebody else, and what was stale has expired meanwhile: call again`
    this.fail(new CacheError('wait-timeout', message, { key: this.key }))
  }

  /** Its last caller has given up. */
  abandon(reason: unknown): void {
    this.#listener.landed(this)
    this.load.abandoned(reason)
  }

  #land(): void {
    this.#isSettled = true
    this.#read()
    this.#listener.landed(this)
  }
}
