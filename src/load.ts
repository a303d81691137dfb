// getOrSet behind a miss: who shares a load with whom. What a load does is in load-steps.ts, how long a caller waits for it in load-wait.ts.

import { AsyncLocalStorage } from 'node:async_hooks'
import { CacheError } from './core/errors.ts'
import { Load, type LoadFlight, type LoadListener, type LoadPurpose } from './load-flight.ts'
import type { LoadResult } from './load-result.ts'
import type { LoadSteps } from './load-steps.ts'
import { waitFor } from './load-wait.ts'
import type { LocalView } from './memory/coherence.ts'
import type { Flights } from './memory/flights.ts'
import type { ResolvedLoadOptions } from './options.ts'
import type { Loaded, Missing, RunLoader } from './running-load.ts'

export interface LoadsOptions {
  readonly steps: LoadSteps
  readonly local: LocalView
  readonly flights: Flights<LoadResult>
  /** Is handed what goes on after its callers have left. Never rejects. */
  readonly waitUntil: (work: Promise<void>) => void
}

export class Loads implements LoadListener {
  readonly #options: LoadsOptions
  readonly #underWay = new Map<Promise<LoadResult>, LoadFlight>()
  /** Forced loads whose loader was not called yet. */
  readonly #forced = new Map<string, LoadFlight>()
  /** What is loaded again behind answers that are still fresh. */
  readonly #refreshing = new Map<string, LoadFlight>()
  readonly #running = new Map<Load, Promise<void>>()
  /** The keys whose loaders the current call runs inside of. */
  readonly #inside = new AsyncLocalStorage<readonly string[]>()

  constructor(options: LoadsOptions) {
    this.#options = options
  }

  /** Results in the order of the keys, which are distinct. One statement reads them, and one call of the loader loads what is missing. */
  async getMany(
    keys: readonly string[],
    run: RunLoader,
    options: ResolvedLoadOptions,
  ): Promise<LoadResult[]> {
    for (const key of keys) this.#refuseReentrance(key)
    const flights = this.#board(keys, run, options)
    return Promise.all(flights.map((flight) => waitFor(flight, options)))
  }

  /** As getMany, of one key. A thousand callers of it are answered in one moment, in which each array and promise counts. */
  get(key: string, run: RunLoader, options: ResolvedLoadOptions): Promise<LoadResult> {
    this.#refuseReentrance(key)
    const [flight] = this.#board([key], run, options)
    return waitFor(flight as LoadFlight, options)
  }

  /** Loads again what will soon not be fresh, behind an answer and once in the cluster. */
  refresh(keys: readonly string[], run: RunLoader, options: ResolvedLoadOptions): void {
    const due = keys.filter((key) => !this.#refreshing.has(key))
    if (due.length === 0) return
    const [flight] = this.#start(due, run, options, 'refresh')
    flight?.load.goOn()
  }

  /** Waits for the loads under way. */
  async drain(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values())
  }

  landed(flight: LoadFlight): void {
    this.#options.flights.land(flight.key, flight.result)
    this.#underWay.delete(flight.result)
    this.#unforce(flight)
    if (this.#refreshing.get(flight.key) === flight) this.#refreshing.delete(flight.key)
  }

  leftBehind(load: Load): void {
    const running = this.#running.get(load)
    if (running !== undefined) this.#options.waitUntil(running)
  }

  #refuseReentrance(key: string): void {
    if (this.#inside.getStore()?.includes(key) !== true) return
    const message = `the loader of key ${JSON.stringify(key)} asked for the key that it is loading: load the value directly instead`
    throw new CacheError('reentrant-load', message, { key })
  }

  /** The flights that can be joined, and a new load for the other keys. */
  #board(keys: readonly string[], run: RunLoader, options: ResolvedLoadOptions): LoadFlight[] {
    const boarded = new Map<string, LoadFlight>()
    for (const key of keys) {
      if (options.fresh) this.#options.flights.detach(key)
      const flight = options.force ? this.#forced.get(key) : this.#find(key)
      if (flight !== undefined) boarded.set(key, flight)
    }
    const others = keys.filter((key) => !boarded.has(key))
    const started =
      others.length === 0 ? [] : this.#start(others, run, options, options.force ? 'force' : 'miss')
    for (const flight of started) boarded.set(flight.key, flight)
    return keys.map((key) => boarded.get(key) as LoadFlight)
  }

  #find(key: string): LoadFlight | undefined {
    const { local, flights } = this.#options
    const underWay = local.mayJoin(key) ? flights.find(key) : undefined
    return underWay && this.#underWay.get(underWay)
  }

  #start(
    keys: readonly string[],
    run: RunLoader,
    options: ResolvedLoadOptions,
    purpose: LoadPurpose,
  ): readonly LoadFlight[] {
    const call: RunLoader = (missing, signal) => this.#call(load, run, missing, signal)
    const load = new Load(keys, call, options, purpose, this)
    for (const flight of load.flights) this.#register(flight)
    const running = this.#options.steps
      .take(load)
      .catch((error: unknown) => load.fail(error))
      .finally(() => this.#running.delete(load))
    this.#running.set(load, running)
    return load.flights
  }

  // Where what is stored may be fresh, nobody waits but those who asked for it.
  #register(flight: LoadFlight): void {
    const { local, flights } = this.#options
    const { key, result, load } = flight
    if (load.purpose === 'force') this.#forced.set(key, flight)
    else if (load.purpose === 'refresh') this.#refreshing.set(key, flight)
    else if (local.mayJoin(key)) flights.begin(key, result)
    this.#underWay.set(result, flight)
  }

  #unforce(flight: LoadFlight): void {
    if (this.#forced.get(flight.key) === flight) this.#forced.delete(flight.key)
  }

  #call(load: Load, run: RunLoader, missing: readonly Missing[], signal: AbortSignal): Promise<Loaded[]> {
    for (const flight of load.flights) this.#unforce(flight)
    const chain = [...(this.#inside.getStore() ?? []), ...missing.map(({ key }) => key)]
    return this.#inside.run(chain, () => run(missing, signal))
  }
}
