// Reading: local cache, then single flight, then one batched statement. The only way a stored value enters the local cache by reading.

import { isCacheError } from './core/errors.ts'
import type { StoredEntry } from './core/entry.ts'
import { isFresh } from './core/entry.ts'
import type { Reporter } from './events.ts'
import type { Gate } from './gate.ts'
import { Failure, type Waiter } from './memory/batch-slot.ts'
import { Batcher, type Replies } from './memory/batcher.ts'
import type { Budget } from './memory/budget.ts'
import type { LocalView } from './memory/coherence.ts'
import type { Flights } from './memory/flights.ts'
import { LocalEntry } from './memory/local-entry.ts'
import type { Token } from './memory/tokens.ts'
import type { ValueMode } from './memory/value-modes.ts'
import { isUntranslatable } from './postgres/failures.ts'
import type { ReadReply, Store, World } from './postgres/store.ts'
import type { Sync } from './sync.ts'

// Two batches on their way keep the server busy while a reply is being read. A third, which may only be a full one, bridges what their times differ by:
// a tenth more of 1,024 callers' reads, where smaller ones would cost more than they bring (Node 20, PostgreSQL 18, 2 cores, 2026-11-30).
const MAX_CONCURRENT_READS = 2
const MAX_CONCURRENT_FULL_READS = 3
const MAX_KEYS_PER_READ = 256
const MAX_KEY_BYTES_PER_READ = 256 * 1024
// What a key under way costs besides its text: slot, promise, token.
const BYTES_PER_READ = 256

/** What the store holds under a key, and the snapshot it was read in. */
export interface StoredRead {
  readonly world: World
  readonly snapshot: string | null
  readonly entry: StoredEntry | null
}

export interface ReaderOptions {
  readonly store: Store
  readonly gate: Gate
  readonly sync: Sync
  readonly reporter: Reporter
  readonly local: LocalView
  readonly flights: Flights<LocalEntry | null>
  readonly budget: Budget
  readonly mode: ValueMode
  readonly localTtlMs: number
}

export class Reader {
  readonly #options: ReaderOptions
  readonly #batcher: Batcher<string, StoredRead>

  constructor(options: ReaderOptions) {
    this.#options = options
    this.#batcher = new Batcher({
      run: (keys) => this.#readBatch(keys),
      maxConcurrent: MAX_CONCURRENT_READS,
      maxConcurrentFull: MAX_CONCURRENT_FULL_READS,
      maxItems: MAX_KEYS_PER_READ,
      maxBytes: MAX_KEY_BYTES_PER_READ,
      budget: options.budget,
      bytesOf: (key) => key.length * 2 + BYTES_PER_READ,
      keyOf: (key) => key,
      exclusive: null,
    })
  }

  /** A fresh entry of the store, or null. Joins a read under way unless something has happened that it may have missed. */
  find(key: string): Promise<LocalEntry | null> {
    const { flights, local, sync } = this.#options
    const mayJoin = local.mayJoin(key)
    const underWay = mayJoin ? flights.find(key) : undefined
    if (underWay !== undefined) return underWay

    sync.wake()
    const flight = new ReadFlight(this, mayJoin ? flights : null, local.open(key))
    if (mayJoin) flights.begin(key, flight.promise)
    try {
      this.#batcher.submit(key, flight)
    } catch (error) {
      flight.fail(error)
    }
    return flight.promise
  }

  /** As find, from a snapshot that is taken after the call. */
  findFresh(key: string): Promise<LocalEntry | null> {
    this.#options.flights.detach(key)
    return this.find(key)
  }

  async findMany(keys: readonly string[]): Promise<(LocalEntry | null)[]> {
    const { local, sync } = this.#options
    sync.wake()
    const tokens = keys.map((key) => local.open(key))
    try {
      const reads = await this.#batcher.addMany(keys)
      return reads.map((read, i) => this.settle(tokens[i] as Token, read))
    } catch (error) {
      for (const token of tokens) local.abandon(token)
      throw error
    }
  }

  /** The raw row, stale ones within their grace included; the caller holds the token. */
  fetch(key: string): Promise<StoredRead> {
    return this.#batcher.add(key)
  }

  abandon(token: Token): void {
    this.#options.local.abandon(token)
  }

  /** Lets what was read into the local cache, if it may, and returns it where it is fresh. `localTtlMs` 0: it may not. */
  settle(token: Token, read: StoredRead, localTtlMs: number = this.#options.localTtlMs): LocalEntry | null {
    const { local, sync, mode } = this.#options
    const entry = this.#toLocal(read.entry, token.sentAt, mode, localTtlMs)
    const outcome = local.settle(token, { world: read.world, entry, version: read.entry?.version ?? null })
    if (outcome === 'foreign-world') sync.worldChanged()
    return read.entry !== null && isFresh(read.entry) ? entry : null
  }

  drain(): Promise<void> {
    return this.#batcher.drain()
  }

  close(error: unknown): void {
    this.#batcher.close(error)
  }

  /** A key that the database's encoding has no characters for fails by itself. */
  async #readBatch(keys: string[]): Promise<Replies<StoredRead>> {
    try {
      return await this.#readTogether(keys)
    } catch (error) {
      if (keys.length === 1 || !isUntranslatable(error)) throw error
      const half = keys.length >> 1
      const parts = [keys.slice(0, half), keys.slice(half)]
      const read = parts.map((part) =>
        this.#readBatch(part).catch((failure: unknown) => part.map(() => new Failure(failure))),
      )
      return (await Promise.all(read)).flat()
    }
  }

  async #readTogether(keys: string[]): Promise<StoredRead[]> {
    const { gate, store, sync } = this.#options
    const read = (): Promise<ReadReply> => gate.pass('read', () => store.readMany(keys), keys.length)
    let reply = await read()
    if (reply.world !== sync.world && sync.world !== null) {
      // Over a connection that was left behind it may be older than what this process has been given.
      await sync.chooseWorld()
      reply = await read()
    }
    const { world, snapshot, entries } = reply
    return entries.map((entry) => ({ world, snapshot, entry }))
  }

  // An entry that cannot be decoded here is a miss and an event.
  #toLocal(
    stored: StoredEntry | null,
    sentAt: number,
    mode: ValueMode,
    localTtlMs: number,
  ): LocalEntry | null {
    if (stored === null || localTtlMs === 0) return null
    try {
      return new LocalEntry(stored, sentAt, mode, localTtlMs)
    } catch (error) {
      if (isCacheError(error)) this.#options.reporter.report('error', { error, operation: 'decode' })
      return null
    }
  }
}

/** One key on its way to the store and back. Waits in the batcher itself: this is the hot path, and every promise counts. */
class ReadFlight implements Waiter<StoredRead> {
  readonly promise: Promise<LocalEntry | null>
  readonly #reader: Reader
  /** Null where nobody may join. */
  readonly #flights: Flights<LocalEntry | null> | null
  readonly #token: Token
  #resolve!: (entry: LocalEntry | null) => void
  #reject!: (error: unknown) => void

  constructor(reader: Reader, flights: Flights<LocalEntry | null> | null, token: Token) {
    this.#reader = reader
    this.#flights = flights
    this.#token = token
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  receive(read: StoredRead): void {
    this.#flights?.land(this.#token.key, this.promise)
    try {
      this.#resolve(this.#reader.settle(this.#token, read))
    } catch (error) {
      this.#reject(error)
    }
  }

  fail(error: unknown): void {
    this.#flights?.land(this.#token.key, this.promise)
    this.#reader.abandon(this.#token)
    this.#reject(error)
  }
}
