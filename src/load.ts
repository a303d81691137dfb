// getOrSet behind a miss: one load per key in the process, usually one in the cluster, fenced by the snapshot it began with.
//
// A load, step by step
//   read      the batched read; a fresh entry ends it here
//   claim     the lock, then in a later statement a read that proves the miss and gives the token
//   wait      another process loads: sleep until it is done, look again, and after lockTimeout go on without the lock
//   run       the loader, under its deadline; no connection is held meanwhile
//   fill      stores the value unless something that the loader could not see has happened to the key or its tags
//   release   the lock, after the fill was answered

import { AsyncLocalStorage } from 'node:async_hooks'
import type { Codec } from './codecs/codec.ts'
import { decodeValue, encodeValue } from './codecs/values.ts'
import type { Loader } from './contract.ts'
import type { Clock } from './core/clock.ts'
import { CacheError, isCacheError } from './core/errors.ts'
import { isFresh, type StoredEntry } from './core/entry.ts'
import type { Reporter } from './events.ts'
import type { Background } from './memory/background.ts'
import type { LocalView } from './memory/coherence.ts'
import type { Flights } from './memory/flights.ts'
import type { Token } from './memory/tokens.ts'
import type { ValueMode } from './memory/value-modes.ts'
import type { LoadLocks } from './postgres/locks.ts'
import type { World } from './postgres/store.ts'
import type { ResolvedLoadOptions } from './options.ts'
import type { Reader, StoredRead } from './read.ts'
import { RunningLoad, runUnderDeadline } from './running-load.ts'
import type { Writer } from './write.ts'

// A killed winner signals nobody.
const LOOK_AGAIN_MS = 500

export interface LoadResult {
  readonly value: unknown
  readonly origin: 'store' | 'loader' | 'stale'
}

export interface LoadsOptions {
  readonly reader: Reader
  readonly writer: Writer
  readonly local: LocalView
  readonly locks: () => LoadLocks
  readonly reporter: Reporter
  readonly background: Background
  readonly clock: Clock
  readonly codec: Codec
  readonly maxValueBytes: number
  readonly lockTimeoutMs: number
  readonly mode: ValueMode
}

interface Load {
  readonly key: string
  readonly loader: Loader<unknown, unknown>
  readonly options: ResolvedLoadOptions
  readonly controller: AbortController
  waiters: number
}

/** A miss: what the value will be stored under, and what may be served if it cannot be had. */
interface Miss {
  readonly token: Token
  readonly world: World
  /** Null: nothing can be cached. */
  readonly snapshot: string | null
  readonly stale: StoredEntry | null
}

export class Loads {
  readonly #options: LoadsOptions
  readonly #flights: Flights<LoadResult>
  readonly #running = new Map<Promise<LoadResult>, Load>()
  /** The keys whose loaders the current call runs inside of. */
  readonly #inside = new AsyncLocalStorage<readonly string[]>()

  constructor(options: LoadsOptions, flights: Flights<LoadResult>) {
    this.#options = options
    this.#flights = flights
  }

  async getOrSet(
    key: string,
    loader: Loader<unknown, unknown>,
    options: ResolvedLoadOptions,
  ): Promise<LoadResult> {
    if (this.#inside.getStore()?.includes(key) === true) {
      const message = `the loader of key ${JSON.stringify(key)} asked for the key that it is loading: load the value directly instead`
      throw new CacheError('reentrant-load', message, { key })
    }
    if (options.fresh) this.#flights.detach(key)
    const flight = this.#options.local.mayJoin(key)
      ? this.#flights.join(key, () => this.#start(key, loader, options))
      : this.#start(key, loader, options)
    return this.#await(flight, options.signal)
  }

  /** Waits for the loads under way. */
  async drain(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running.keys())
  }

  #start(key: string, loader: Loader<unknown, unknown>, options: ResolvedLoadOptions): Promise<LoadResult> {
    const load: Load = { key, loader, options, controller: new AbortController(), waiters: 0 }
    const running: Promise<LoadResult> = this.#load(load).finally(() => this.#running.delete(running))
    this.#running.set(running, load)
    return running
  }

  // A caller that gives up leaves the load to the others; the last one takes it along.
  async #await(flight: Promise<LoadResult>, signal: AbortSignal | undefined): Promise<LoadResult> {
    const load = this.#running.get(flight)
    if (load === undefined || signal === undefined) {
      if (load !== undefined) load.waiters = Infinity
      return flight
    }
    load.waiters++
    let giveUp = (): void => {}
    const aborted = new Promise<never>((_, reject) => {
      giveUp = () => {
        if (--load.waiters === 0) {
          this.#flights.detach(load.key)
          load.controller.abort(signal.reason)
        }
        reject(signal.reason as Error)
      }
      if (signal.aborted) giveUp()
      else signal.addEventListener('abort', giveUp, { once: true })
    })
    try {
      return await Promise.race([flight, aborted])
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  async #load(load: Load): Promise<LoadResult> {
    const { local } = this.#options
    const token = local.open(load.key)
    let read: StoredRead
    try {
      read = await this.#options.reader.fetch(load.key)
    } catch (error) {
      local.abandon(token)
      return this.#loadWithoutStore(load, error)
    }
    const found = this.#settleIfFresh(token, read)
    if (found !== null) return found
    return this.#loadOnce(load, { ...read, token, stale: read.entry })
  }

  // The store is gone: the service goes on, one load per key in this process.
  async #loadWithoutStore(load: Load, cause: unknown): Promise<LoadResult> {
    if (!isCacheError(cause)) throw cause
    this.#options.reporter.report('error', { error: cause, operation: 'read' })
    return this.#runLoader(load, null)
  }

  async #loadOnce(load: Load, first: Miss): Promise<LoadResult> {
    const { key } = load
    const locks = this.#options.locks()
    const giveUpAt = this.#options.clock.monotonic() + this.#options.lockTimeoutMs
    let miss = first
    let enlisted = false
    try {
      for (;;) {
        const claim = await this.#claim(locks, load, miss)
        if (claim === null || 'value' in claim) return claim ?? (await this.#runLoader(load, miss))
        miss = claim.miss
        if (claim.held) return await this.#loadHolding(locks, load, miss)

        const left = giveUpAt - this.#options.clock.monotonic()
        if (left <= 0) return this.#serveStale(miss) ?? (await this.#runLoader(load, miss))
        if (enlisted) await locks.sleep(key, Math.min(left, LOOK_AGAIN_MS), claim.heard)
        else await locks.enlist(key).catch(() => {}) // without the session, sleepers look again by themselves
        enlisted = true
      }
    } finally {
      if (enlisted) locks.delist(key)
    }
  }

  /** Null: no lock is to be had. A result: somebody else has loaded it meanwhile. */
  async #claim(
    locks: LoadLocks,
    load: Load,
    miss: Miss,
  ): Promise<LoadResult | { held: boolean; heard: number; miss: Miss } | null> {
    const { local } = this.#options
    const token = local.open(load.key)
    const claim = await locks.claim(load.key).catch(() => null)
    // A session that a failover left behind reads another server than the pool.
    if (claim === null || claim.read.world !== miss.world) {
      local.abandon(token)
      if (claim?.held === true) this.#releaseLater(locks, load.key)
      return null
    }
    local.abandon(miss.token)
    const [entry = null] = claim.read.entries
    const found = this.#settleIfFresh(token, { ...claim.read, entry })
    const { held, heard } = claim
    if (found === null) return { held, heard, miss: { ...claim.read, token, stale: entry } }
    if (held) this.#releaseLater(locks, load.key)
    return found
  }

  async #loadHolding(locks: LoadLocks, load: Load, miss: Miss): Promise<LoadResult> {
    try {
      return await this.#runLoader(load, miss)
    } finally {
      this.#releaseLater(locks, load.key)
    }
  }

  #releaseLater(locks: LoadLocks, key: string): void {
    void this.#options.background.run(() => locks.release(key))
  }

  /** Runs the loader and stores what it returns; `miss` null: the store is gone. */
  async #runLoader(load: Load, miss: Miss | null): Promise<LoadResult> {
    const { reporter, clock, local } = this.#options
    const { key, controller } = load
    const started = clock.monotonic()
    const context = new RunningLoad(key, controller.signal, this.#previous(miss), load.options)
    let value: unknown
    try {
      const chain = [...(this.#inside.getStore() ?? []), key]
      value = await this.#inside.run(chain, () =>
        runUnderDeadline({ ...load, loadTimeoutMs: load.options.loadTimeoutMs }, context),
      )
    } catch (error) {
      reporter.report('load-failed', { key, error })
      const stale = miss === null ? this.#lastKnown(key) : this.#serveStale(miss)
      if (stale !== null) return stale
      if (miss !== null) local.abandon(miss.token)
      throw error
    }
    const stored = miss !== null && (await this.#fill(miss, value, context))
    reporter.report('loaded', { key, ms: clock.monotonic() - started, stored })
    return { value, origin: 'loader' }
  }

  async #fill({ token, world, snapshot }: Miss, value: unknown, context: RunningLoad): Promise<boolean> {
    const { writer, codec, maxValueBytes, local, reporter } = this.#options
    if (value === undefined || world === null || snapshot === null || context.skips(value)) {
      local.forget(token)
      return false
    }
    try {
      const encoded = encodeValue(codec, value, { key: token.key, maxValueBytes })
      return await writer.fill(token, { world, snapshot }, encoded, context.resolve())
    } catch (error) {
      local.forget(token)
      if (!isCacheError(error)) throw error
      // A value of the wrong type is a mistake in the code; one that is too large comes from the data.
      if (error.code === 'invalid-value') throw error
      reporter.report('error', { error, operation: 'fill' })
      return false
    }
  }

  /** The entry that ends the load, let into the local cache; null, and the token stays open, for a miss. */
  #settleIfFresh(token: Token, read: StoredRead): LoadResult | null {
    if (read.entry === null || !isFresh(read.entry)) return null
    const found = this.#decode(read.entry)
    if (found === null) return null
    this.#options.reader.settle(token, read)
    return { value: found.value, origin: 'store' }
  }

  #serveStale({ token, stale }: Miss): LoadResult | null {
    // The grace may have ended while the loader ran.
    if (stale === null || this.#options.clock.wall() >= token.sentAt + stale.keepMs) return null
    const found = this.#decode(stale)
    if (found === null) return null
    this.#options.local.forget(token)
    return { value: found.value, origin: 'stale' }
  }

  #lastKnown(key: string): LoadResult | null {
    const { local, mode } = this.#options
    const entry = local.lastKnown(key)
    return entry?.graced === true ? { value: mode.fromLocal(entry), origin: 'stale' } : null
  }

  /** What cannot be decoded here is a miss and an event. */
  #decode(entry: StoredEntry): { readonly value: unknown } | null {
    try {
      return { value: decodeValue(this.#options.codec, entry) }
    } catch (error) {
      if (!isCacheError(error)) throw error
      this.#options.reporter.report('error', { error, operation: 'decode' })
      return null
    }
  }

  #previous(miss: Miss | null): unknown {
    return miss === null || miss.stale === null ? undefined : this.#decode(miss.stale)?.value
  }
}
