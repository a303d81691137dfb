// A load, step by step
//   connect   where that has not been done yet
//   read      the batched read; fresh entries end it here, and stale ones while a failed load is not to be tried again yet
//   claim     the locks, then in a later statement a read that proves the misses and gives the tokens
//   wait      another process loads a key: sleep until it is done, look again, and after lockTimeout go on without the lock
//   run       the loader, once for all keys that were won, under its deadline; no connection is held meanwhile
//   fill      stores each value unless something that the loader could not see has happened to its key or tags
//   release   the locks, after the fills were answered

import type { Connection } from './connection.ts'
import { isFresh } from './core/entry.ts'
import { isCacheError } from './core/errors.ts'
import type { Load, LoadFlight } from './load-flight.ts'
import { LoadRuns, type LoadRunsOptions, type Pending } from './load-run.ts'
import type { Miss } from './load-store.ts'
import type { Token } from './memory/tokens.ts'
import type { LoadLocks } from './postgres/locks.ts'
import type { Reader, StoredRead } from './read.ts'

// A killed winner signals nobody.
const LOOK_AGAIN_MS = 500

export interface LoadStepsOptions extends LoadRunsOptions {
  readonly reader: Reader
  readonly connection: Pick<Connection, 'isReady' | 'readyIfPossible' | 'locks'>
  readonly lockTimeoutMs: number
}

type Missed = Pending & { readonly miss: Miss }

/** `heard`: signals before the lock was tried. */
type Lost = Missed & { readonly heard: number }

/** What came of asking for the locks of some misses. */
interface Claimed {
  /** To be loaded here: their locks are held, or none is to be had. */
  readonly won: readonly Missed[]
  /** Others are loading them. */
  readonly lost: readonly Lost[]
  readonly held: readonly string[]
  /** None was to be had, most likely for want of a session. */
  readonly isWithoutLocks: boolean
}

export class LoadSteps {
  readonly #options: LoadStepsOptions
  readonly #runs: LoadRuns

  constructor(options: LoadStepsOptions) {
    this.#options = options
    this.#runs = new LoadRuns(options)
  }

  /** Settles every flight of the load. */
  async take(load: Load): Promise<void> {
    const { local, reader, reporter, store, connection } = this.#options
    const { flights } = load
    if (load.purpose === 'miss') for (const flight of flights) flight.hold(() => store.lastKnown(flight.key))
    if (!connection.isReady) await connection.readyIfPossible()
    load.signal.throwIfAborted()
    const tokens = flights.map(({ key }) => local.open(key))
    let reads: readonly StoredRead[]
    try {
      reads = await Promise.all(flights.map(({ key }) => reader.fetch(key)))
    } catch (error) {
      for (const token of tokens) local.abandon(token)
      if (!isCacheError(error)) throw error
      // The store is gone: the service goes on, one load per key in this process.
      reporter.report('error', { error, operation: 'read' })
      if (load.purpose === 'refresh') return flights.forEach((flight) => flight.drop())
      const pending = flights.map((flight) => ({ flight, miss: null }))
      return this.#runs.run(
        load,
        pending.filter((each) => this.#isDue(each)),
      )
    }
    const misses = flights
      .map((flight, i) => this.#settleIfFresh(flight, tokens[i] as Token, reads[i] as StoredRead))
      .filter((missed) => missed !== null)
      .filter((missed) => this.#isDue(missed))
    if (load.purpose === 'force') return this.#runs.run(load, misses)
    return this.#loadOnce(load, misses)
  }

  /** Says what may be served meanwhile. False: nothing more is to be done for this key now. */
  #isDue(pending: Pending): boolean {
    const { flight } = pending
    const { key, load } = flight
    const isBackingOff = this.#options.failures.isBackingOff(key)
    if (load.purpose === 'force') return true
    if (load.purpose === 'refresh')
      return (!isBackingOff && !this.#runs.isRunning(key)) || this.#drop(pending)

    flight.offer(() => this.#runs.stale(pending))
    const stale = this.#runs.stale(pending)
    if (stale === null) return !this.#isKnownToFail(pending)
    if (isBackingOff) {
      this.#runs.end(pending, stale)
      return false
    }
    // Behind what is served, one load is enough.
    return flight.isWanted || !this.#runs.isRunning(key) || this.#drop(pending)
  }

  /** Nobody waits, and somebody else is doing it, or it is not to be done yet. */
  #drop({ flight, miss }: Pending): false {
    if (miss !== null) this.#options.local.abandon(miss.token)
    flight.drop()
    return false
  }

  /** Rejects with the error of a load that has failed lately, where that is remembered. */
  #isKnownToFail({ flight, miss }: Pending): boolean {
    const failed = this.#options.failures.remembered(flight.key)
    if (failed === undefined) return false
    if (miss !== null) this.#options.local.abandon(miss.token)
    this.#options.reporter.missed(flight.key)
    flight.fail(failed.error)
    return true
  }

  async #loadOnce(load: Load, misses: readonly Missed[]): Promise<void> {
    if (misses.length === 0) return
    const { locks } = this.#options.connection
    const giveUpAt = this.#options.clock.monotonic() + this.#options.lockTimeoutMs
    const claimed = await this.#claim(locks, misses)
    await Promise.all([
      this.#runHolding(locks, load, claimed),
      ...claimed.lost.map((lost) => this.#waitForOthers(locks, load, lost, giveUpAt)),
    ])
  }

  async #waitForOthers(locks: LoadLocks, load: Load, first: Lost, giveUpAt: number): Promise<void> {
    const { clock } = this.#options
    const { flight } = first
    if (!flight.isWanted) return void this.#drop(first)
    // Without the session, sleepers look again by themselves.
    await locks.enlist(flight.key).catch(() => {})
    try {
      let missed = first
      let isPatient = true
      for (;;) {
        const claimed = await this.#claim(locks, [missed])
        const [lost] = claimed.lost
        if (lost === undefined) {
          // Most likely the session is being replaced, while the other still loads.
          if (!claimed.isWithoutLocks || !isPatient) return await this.#runHolding(locks, load, claimed)
          isPatient = false
        }
        missed = lost ?? missed
        if (!flight.isWanted) return void this.#drop(missed)
        const left = giveUpAt - clock.monotonic()
        if (left <= 0) {
          const stale = this.#runs.stale(missed)
          return stale === null ? await this.#runs.run(load, [missed]) : this.#runs.end(missed, stale)
        }
        const isSignalled = await locks.sleep(flight.key, Math.min(left, LOOK_AGAIN_MS), missed.heard)
        if (!isSignalled || !flight.isWanted) continue
        // Who took the lock only to find the value there would have to release it, and so signal all the others once more.
        const again = await this.#lookAgain(locks, missed)
        if (again === null) return
        missed = { ...again, heard: missed.heard }
      }
    } finally {
      locks.delist(flight.key)
    }
  }

  /** Null: the value is there now, and was settled. Where that cannot be told, the claim that follows decides. */
  async #lookAgain(locks: LoadLocks, missed: Missed): Promise<Missed | null> {
    const { local } = this.#options
    const { flight, miss } = missed
    const token = local.open(flight.key)
    const looked = await locks.look(flight.key).catch(() => null)
    if (looked === null || looked.world !== miss.world) {
      local.abandon(token)
      return missed
    }
    local.abandon(miss.token)
    const { world, snapshot, entries } = looked
    return this.#settleIfFresh(flight, token, { world, snapshot, entry: entries[0] ?? null })
  }

  /** What somebody else has loaded meanwhile is settled here. */
  async #claim(locks: LoadLocks, misses: readonly Missed[]): Promise<Claimed> {
    const { local } = this.#options
    const tokens = misses.map(({ flight }) => local.open(flight.key))
    // Undefined: the server did not answer. Null: there are no locks to be had, most likely for want of a session.
    const claims = await locks.claim(misses.map(({ flight }) => flight.key)).catch(() => undefined)
    const won: Missed[] = []
    const lost: Lost[] = []
    const held: string[] = []
    for (const [i, missed] of misses.entries()) {
      const { flight, miss } = missed
      const token = tokens[i] as Token
      const isHeld = claims?.held[i]
      if (isHeld === true) held.push(flight.key)
      // A session that a failover left behind reads another server than the pool.
      if (claims == null || isHeld === undefined || claims.read.world !== miss.world) {
        local.abandon(token)
        won.push(missed)
        continue
      }
      local.abandon(miss.token)
      const { world, snapshot, entries } = claims.read
      const again = this.#settleIfFresh(flight, token, { world, snapshot, entry: entries[i] ?? null })
      if (again === null) continue
      if (isHeld) won.push(again)
      else lost.push({ ...again, heard: claims.heard[i] ?? 0 })
    }
    return { won, lost, held, isWithoutLocks: claims === null }
  }

  async #runHolding(locks: LoadLocks, load: Load, { won, held }: Claimed): Promise<void> {
    const unneeded = held.filter((key) => !won.some(({ flight }) => flight.key === key))
    const release = (keys: readonly string[]): void => {
      if (keys.length > 0) void this.#options.background.run(() => locks.release(keys))
    }
    release(unneeded)
    try {
      await this.#runs.run(load, won)
    } finally {
      release(held.filter((key) => !unneeded.includes(key)))
    }
  }

  /** A fresh entry ends the flight, if it is enough. Null: it did. */
  #settleIfFresh(flight: LoadFlight, token: Token, read: StoredRead): Missed | null {
    const { world, snapshot, entry } = read
    const { load } = flight
    if (entry !== null && isFresh(entry) && load.purpose !== 'force') {
      const found = this.#options.store.settle(token, { world, snapshot, entry }, load)
      if (found !== null) {
        flight.settle(found)
        return null
      }
    }
    return { flight, miss: { key: flight.key, token, world, snapshot, present: entry } }
  }
}
