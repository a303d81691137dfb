// The last steps of a load: the loader is run, what it returns is stored, and the flights settle.

import type { Clock } from './core/clock.ts'
import type { Reporter } from './events.ts'
import type { Load, LoadFlight } from './load-flight.ts'
import type { LoadResult } from './load-result.ts'
import type { LoadStore, Miss } from './load-store.ts'
import type { Background } from './memory/background.ts'
import type { LocalView } from './memory/coherence.ts'
import type { FailedLoads } from './memory/failed-loads.ts'
import { mayTakeHeld } from './options.ts'
import type { World } from './postgres/store.ts'
import { type Loaded, runUnderDeadline } from './running-load.ts'
import type { Timing } from './timing.ts'

/** A key on its way. Without a miss the store is gone, and nothing can be stored. */
export interface Pending {
  readonly flight: LoadFlight
  readonly miss: Miss | null
}

export interface LoadRunsOptions {
  readonly local: LocalView
  readonly store: LoadStore
  readonly failures: FailedLoads
  readonly reporter: Reporter
  readonly timing: Timing
  readonly background: Background
  readonly clock: Clock
}

export class LoadRuns {
  readonly #options: LoadRunsOptions
  /** How many loaders of a key run in this process: usually one. */
  readonly #running = new Map<string, number>()
  #hasPrepared = false

  constructor(options: LoadRunsOptions) {
    this.#options = options
  }

  /** Calls the loader, stores what it returns, and settles the flights. */
  async run(load: Load, pending: readonly Pending[]): Promise<void> {
    if (pending.length === 0) return
    const { reporter, timing, clock, store, failures } = this.#options
    const { signal, options } = load
    const started = clock.monotonic()
    const keys = pending.map(({ flight }) => flight.key)
    const missing = pending.map(({ flight, miss }) => store.missing(flight.key, miss))
    this.#prepareFills(pending[0]?.miss?.world ?? null)
    let loaded: readonly Loaded[]
    this.#count(keys, 1)
    try {
      const deadline = { keys, signal, loadTimeoutMs: options.loadTimeoutMs, keepsAlive: load.isWanted }
      const run = (): Promise<readonly Loaded[]> =>
        runUnderDeadline(deadline, (ended) => load.run(missing, ended))
      loaded = await timing.runIfWanted('load', () => keys, run)
    } catch (error) {
      for (const each of pending) this.#failed(each, error)
      return
    } finally {
      this.#count(keys, -1)
    }
    const fill = async ({ flight, miss }: Pending, one: Loaded): Promise<void> => {
      failures.succeeded(flight.key)
      try {
        const { stored, result } = await store.fill(flight.key, miss, one, options)
        reporter.report('loaded', { key: flight.key, ms: clock.monotonic() - started, stored })
        flight.settle(result)
      } catch (error) {
        flight.fail(error)
      }
    }
    await Promise.all(pending.map((each, i) => fill(each, loaded[i] as Loaded)))
  }

  isRunning(key: string): boolean {
    return this.#running.has(key)
  }

  /** What may be served in its place at this moment. */
  stale({ flight, miss }: Pending): LoadResult | null {
    const { store } = this.#options
    if (miss !== null) return store.stale(miss)
    return mayTakeHeld(flight.load.options) ? store.lastKnown(flight.key) : null
  }

  /** Ends a flight with a value that is not the store's newest: no caller may be given an older one by what is held or under way. */
  end({ flight, miss }: Pending, stale: LoadResult): void {
    if (miss !== null) this.#options.local.forget(miss.token)
    flight.settle(stale)
  }

  // Once. The fill meets the same failure, and tells of it.
  #prepareFills(world: World): void {
    const { background, store } = this.#options
    if (this.#hasPrepared || world === null) return
    this.#hasPrepared = true
    void background.run(
      () => store.prepareFills(world),
      () => {},
    )
  }

  #count(keys: readonly string[], step: 1 | -1): void {
    for (const key of keys) {
      const count = (this.#running.get(key) ?? 0) + step
      if (count === 0) this.#running.delete(key)
      else this.#running.set(key, count)
    }
  }

  #failed(pending: Pending, error: unknown): void {
    const { reporter, local, failures } = this.#options
    const { flight, miss } = pending
    const { options, purpose, signal } = flight.load
    reporter.report('load-failed', { key: flight.key, error })
    // That nobody wants it any more says nothing about the loader.
    if (!signal.aborted) failures.failed(flight.key, error, options)
    const stale = purpose === 'miss' ? this.stale(pending) : null
    if (stale !== null) return this.end(pending, stale)
    if (miss !== null) local.abandon(miss.token)
    flight.fail(error)
  }
}
