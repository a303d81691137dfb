// One process with the real local cache, doing what src/cache.ts, read.ts, load.ts, write.ts, sync.ts and transaction.ts
// do with it. Its messages to the store and back are requests that the model moves on.

import type { StoredEntry } from '../../src/core/entry.ts'
import type { LocalView, Reply } from '../../src/memory/coherence.ts'
import type { Flights } from '../../src/memory/flights.ts'
import type { LocalEntry } from '../../src/memory/local-entry.ts'
import type { Token } from '../../src/memory/tokens.ts'
import type { ValueMode } from '../../src/memory/value-modes.ts'
import { type AbstractStore, type Open, type Row, showOpen, type Step, toChange } from './abstract-store.ts'
import type { Family, Fate } from './family.ts'
import { type Flight, joinableFlight, joinFlight } from './flight.ts'
import { LoadRequest } from './load-request.ts'
import type { MemoryCode } from './memory-code.ts'
import type { ModelClock } from './model-clock.ts'
import { type Promises, Violation } from './promises.ts'
import { ReadRequest } from './read-request.ts'
import type { Request } from './request.ts'
import { SyncRequest } from './sync-request.ts'
import { WriteRequest } from './write-request.ts'

/** A transaction of a caller of this process. */
export interface Touched {
  readonly open: Open
  isOver: boolean
}

/** What a row is on its way to the local cache. */
export interface Found {
  readonly row: Row | null
  readonly world: number
  readonly at: number
}

export interface ProcessOptions {
  readonly code: MemoryCode
  readonly family: Family
  readonly store: AbstractStore
  readonly promises: Promises
  readonly clock: ModelClock
}

export class Process {
  readonly store: AbstractStore
  readonly promises: Promises
  readonly clock: ModelClock
  readonly tags: readonly string[]
  readonly local: LocalView
  readonly requests: Map<number, Request> = new Map()
  readonly touched: Map<number, Touched> = new Map()
  cursor = 0
  /** As far as is known; null: unknown or in recovery. */
  world: number | null = null
  /** As the last sync that was answered told. */
  toldWorld: number | null = null
  /** The last that any sync told. */
  lastWorld: number | null = null
  isSyncing = false
  isClosed = false
  /** A reply of another world was answered after the last sync had begun; after the sync under way had. */
  isInDoubt = false
  isInDoubtAgain = false
  readonly #code: MemoryCode
  readonly #reads: Flights<unknown>
  readonly #loads: Flights<unknown>
  readonly #mode: ValueMode
  #sent = 0
  #touches = 0

  constructor({ code, family, store, promises, clock }: ProcessOptions) {
    this.store = store
    this.promises = promises
    this.clock = clock
    this.tags = family.tags
    this.#code = code
    this.#reads = new code.Flights()
    this.#loads = new code.Flights()
    this.#mode = code.resolveValueMode('share', (content) => Number(content))
    const joins = [this.#reads, this.#loads]
    this.local =
      family.local === 'none'
        ? new code.NullCoherence({ clock, joins })
        : new code.Coherence({
            clock,
            joins,
            maxStalenessMs: family.maxStalenessMs,
            maxEntries: family.local === 'some' ? 100 : 0,
            maxBytes: 1e9,
            listener: { evicted: () => {}, outdated: () => {}, flushed: () => {} },
          })
  }

  /** Whether a caller waits, or may be answered from the local cache. */
  get canAnswer(): boolean {
    return this.local.size > 0 || this.requests.size > (this.isSyncing ? 1 : 0)
  }

  get(key: string): void {
    if (!this.hit(key)) this.#joinRead(key).demand |= this.promises.demand(key)
  }

  getFresh(key: string): void {
    this.#reads.detach(key)
    this.#joinRead(key).demand |= this.promises.demand(key) | this.promises.demandAll()
  }

  /** As getMany() reads: nobody joins. */
  getAlone(key: string): void {
    this.#startRead(key).demand |= this.promises.demand(key)
  }

  getOrSet(key: string): void {
    if (this.hit(key)) return
    const start = (): Flight => this.#send(new LoadRequest(this, key)).flight
    const flight = this.local.mayJoin(key) ? joinFlight(this.#loads, key, start) : start()
    flight.demand |= this.promises.demand(key)
  }

  /** False: the local cache does not have it, or may not serve it. */
  hit(key: string): boolean {
    const { leaseEnd } = this.local
    const entry = this.local.hit(key)
    if (entry === undefined) return false
    if (this.clock.wall() >= leaseEnd) throw new Violation('a hit after the end of the lease')
    this.promises.hit(this.#rowOf(entry))
    return true
  }

  lookAtLease(): void {
    if (this.world === null && this.local.leaseEnd > 0) throw new Violation('a lease in recovery')
  }

  hitAtRest(key: string): void {
    const entry = this.local.hit(key)
    if (entry !== undefined) this.promises.hitAtRest(this.#rowOf(entry))
  }

  lastKnown(key: string): void {
    const entry = this.local.lastKnown(key)
    if (entry !== undefined) this.promises.isUnexpired(this.#rowOf(entry), 'grace')
  }

  /** Whether the local cache is still of use: what is read enters it. */
  readAtRest(key: string): void {
    this.#startRead(key)
    this.move(this.#sent, 'see')
    this.move(this.#sent, 'answer')
    if (this.local.hit(key) === undefined && this.store.find(key) !== null) {
      throw new Violation(`at rest ${key} is read, and does not enter the local cache`)
    }
  }

  write(step: Step): void {
    this.#send(new WriteRequest(this, step))
  }

  sync(kind: 'renew' | 'sync'): void {
    this.isSyncing = true
    this.#send(new SyncRequest(this, kind))
  }

  finishSync(): void {
    for (const [id, request] of this.requests) {
      if (!(request instanceof SyncRequest)) continue
      if (request.next().includes('see')) this.move(id, 'see')
      this.move(id, 'answer')
    }
  }

  touch(step: Step): void {
    const open = this.store.begin(step)
    this.touched.set(++this.#touches, { open, isOver: false })
    this.local.bypass(String(this.#touches), toChange(open.version, step))
  }

  endTransaction(id: number, how: 'commit' | 'roll back'): void {
    const touched = this.touched.get(id) as Touched
    touched.isOver = true
    if (how === 'roll back') return this.store.rollBack(touched.open)
    this.store.commit(touched.open)
    this.promises.told(this.store.snapshot)
  }

  close(): void {
    this.isClosed = true
    this.local.close()
  }

  /** The server has forgotten what was open. */
  crashTransactions(): void {
    for (const touched of this.touched.values()) touched.isOver = true
  }

  move(id: number, what: Fate): void {
    if (!(this.requests.get(id) as Request).happen(what)) this.requests.delete(id)
  }

  settle(token: Token, found: Found, codec: 'decodable' | 'undecodable' = 'decodable'): void {
    const reply = this.#toReply(found, token)
    const outcome = this.local.settle(token, codec === 'decodable' ? reply : { ...reply, entry: null })
    if (outcome !== 'foreign-world') return
    this.isInDoubt = true
    this.isInDoubtAgain = true
  }

  #toReply({ row, world, at }: Found, { sentAt }: Token): Reply {
    if (row === null) return { world: String(world), entry: null, version: null }
    const ttlMs = row.expiresAt - at
    const stored: StoredEntry = {
      key: row.key,
      text: String(this.store.history.indexOf(row)),
      bytes: null,
      codec: null,
      tags: row.tags,
      version: row.version,
      freshMs: ttlMs,
      keepMs: ttlMs,
    }
    const entry = new this.#code.LocalEntry(stored, sentAt, this.#mode, Infinity)
    return { world: String(world), entry, version: row.version }
  }

  /** Whatever the future depends on. What is looked at here is changed by looking. */
  state(keys: readonly string[]): string {
    const { local } = this
    const isLive = local.leaseEnd > this.clock.wall()
    const lease = local.leaseEnd
    const held = keys.map((key) => (isLive ? local.hit(key) : local.lastKnown(key))?.held)
    const joinable = new Set<Flight>()
    for (const key of keys) {
      joinable.add(joinableFlight(this.#reads, key)).add(joinableFlight(this.#loads, key))
    }
    const around = { now: local.open('another key'), joinable }
    const requests = Array.from(this.requests.values(), (request) => request.state(around)).toSorted()
    const touched = Array.from(this.touched.values(), ({ open, isOver }) => `${showOpen(open)} ${isOver}`)
    const worlds = `${this.world} ${this.toldWorld} ${this.lastWorld} ${this.isInDoubt} ${this.isInDoubtAgain}`
    const own = local.own.map((versions) => versions.toSorted().join()).join(';')
    return [lease, held.join(), own, this.cursor, worlds, this.isClosed, ...requests, ...touched].join('\n')
  }

  #rowOf(entry: LocalEntry): Row {
    return this.store.history[entry.held as number] as Row
  }

  #joinRead(key: string): Flight {
    return this.local.mayJoin(key)
      ? joinFlight(this.#reads, key, () => this.#startRead(key))
      : this.#startRead(key)
  }

  #startRead(key: string): Flight {
    return this.#send(new ReadRequest(this, key)).flight
  }

  #send<R extends Request>(request: R): R {
    this.requests.set(++this.#sent, request)
    return request
  }
}
