// getOrSet behind a miss: who shares a load with whom, and who waits for how long. What a load does is in load-steps.ts.

import { AsyncLocalStorage } from 'node:async_hooks'
import { CacheError } from './core/errors.ts'
import { Load, type LoadFlight, type LoadResult } from './load-flight.ts'
import type { LoadSteps } from './load-steps.ts'
import type { LocalView } from './memory/coherence.ts'
import type { Flights } from './memory/flights.ts'
import type { ResolvedLoadOptions } from './options.ts'
import type { Loaded, Missing, RunLoader } from './running-load.ts'

export class Loads {
  readonly #steps: LoadSteps
  readonly #local: LocalView
  readonly #flights: Flights<LoadResult>
  readonly #underWay = new Map<Promise<LoadResult>, LoadFlight>()
  /** Forced loads whose loader was not called yet. */
  readonly #forced = new Map<string, LoadFlight>()
  readonly #running = new Set<Promise<void>>()
  /** The keys whose loaders the current call runs inside of. */
  readonly #inside = new AsyncLocalStorage<readonly string[]>()

  constructor(steps: LoadSteps, local: LocalView, flights: Flights<LoadResult>) {
    this.#steps = steps
    this.#local = local
    this.#flights = flights
  }

  /** Results in the order of the keys, which are distinct. One statement reads them, and one call of the loader loads what is missing. */
  async get(keys: readonly string[], run: RunLoader, options: ResolvedLoadOptions): Promise<LoadResult[]> {
    for (const key of keys) this.#refuseReentrance(key)
    const flights = this.#board(keys, run, options)
    return Promise.all(flights.map((flight) => this.#await(flight, options.signal)))
  }

  /** Waits for the loads under way. */
  async drain(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  #refuseReentrance(key: string): void {
    if (this.#inside.getStore()?.includes(key) !== true) return
    const message = `the loader of key ${JSON.stringify(key)} asked for the key that it is loading: load the value directly instead`
    throw new CacheError('reentrant-load', message, { key })
  }

  /** The flights that can be joined, and a new load for the other keys. */
  #board(keys: readonly string[], run: RunLoader, options: ResolvedLoadOptions): LoadFlight[] {
    const joined = new Map<string, LoadFlight>()
    for (const key of keys) {
      if (options.fresh) this.#flights.detach(key)
      const flight = options.force ? this.#forced.get(key) : this.#find(key)
      if (flight !== undefined) joined.set(key, flight)
    }
    const others = keys.filter((key) => !joined.has(key))
    if (others.length > 0)
      for (const flight of this.#start(others, run, options)) joined.set(flight.key, flight)
    return keys.map((key) => joined.get(key) as LoadFlight)
  }

  #find(key: string): LoadFlight | undefined {
    const underWay = this.#local.mayJoin(key) ? this.#flights.find(key) : undefined
    return underWay && this.#underWay.get(underWay)
  }

  #start(keys: readonly string[], run: RunLoader, options: ResolvedLoadOptions): readonly LoadFlight[] {
    const load = new Load(keys, (missing, signal) => this.#call(load, run, missing, signal), options)
    for (const flight of load.flights) this.#register(flight, options)
    const running: Promise<void> = this.#steps
      .take(load)
      .catch((error: unknown) => load.fail(error))
      .finally(() => this.#running.delete(running))
    this.#running.add(running)
    return load.flights
  }

  #register(flight: LoadFlight, { force }: ResolvedLoadOptions): void {
    const { key, result } = flight
    // What is stored may be fresh: nobody but those who asked for it waits for a forced load.
    if (force) this.#forced.set(key, flight)
    else if (this.#local.mayJoin(key)) this.#flights.begin(key, result)
    this.#underWay.set(result, flight)
    const land = (): void => {
      this.#flights.land(key, result)
      this.#underWay.delete(result)
      this.#unforce(flight)
    }
    // Registered before any caller's own reaction: whoever continues from this flight starts a new one.
    result.then(land, land)
  }

  #unforce(flight: LoadFlight): void {
    if (this.#forced.get(flight.key) === flight) this.#forced.delete(flight.key)
  }

  #call(load: Load, run: RunLoader, missing: readonly Missing[], signal: AbortSignal): Promise<Loaded[]> {
    for (const flight of load.flights) this.#unforce(flight)
    const chain = [...(this.#inside.getStore() ?? []), ...missing.map(({ key }) => key)]
    return this.#inside.run(chain, () => run(missing, signal))
  }

  // A caller that gives up leaves the load to the others; the last one takes it along.
  async #await(flight: LoadFlight, signal: AbortSignal | undefined): Promise<LoadResult> {
    if (signal === undefined) {
      flight.waiters = Infinity
      return flight.result
    }
    flight.waiters++
    let giveUp = (): void => {}
    const aborted = new Promise<never>((_, reject) => {
      giveUp = () => {
        if (--flight.waiters === 0) {
          this.#flights.land(flight.key, flight.result)
          flight.load.abandoned(signal.reason)
        }
        reject(signal.reason as Error)
      }
      if (signal.aborted) giveUp()
      else signal.addEventListener('abort', giveUp, { once: true })
    })
    try {
      return await Promise.race([flight.result, aborted])
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }
}
