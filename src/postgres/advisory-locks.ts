// Load locks as advisory locks of the session: gone with the process that held them, and waiters are woken.
//
// A loser enlists with a shared lock of a second class before it looks again. The winner unlocks first and then asks whether anybody is enlisted:
// either it sees the waiter and signals, or the waiter enlisted after the unlock and gets the lock or the value when it looks. A signal may arrive while
// the waiter is still looking, so signals are counted from when it enlists, and it does not fall asleep over one.

import { hashKey } from '../core/key.ts'
import { encodeTextArray } from './binary-array.ts'
import type { Statement } from './driver.ts'
import type { Claims, LoadLocks } from './locks.ts'
import type { Names } from './names.ts'
import type { Session } from './session.ts'
import { type ReadReply, toReadReply } from './store.ts'

// Lock memory is shared with every application of the server: max_locks_per_transaction × max_connections.
const MAX_LOCKS = 32

const TRY_LOCKS = statement(
  'try_locks',
  'select pg_try_advisory_lock($1, hash)::text from pg_catalog.unnest($2::integer[]) as hash',
)
const UNLOCK = statement(
  'unlock',
  'select pg_advisory_unlock($1, hash) from pg_catalog.unnest($2::integer[]) as hash',
)
// What is not held would be a warning each in the log of the server.
const UNLOCK_TAKEN = statement(
  'unlock_taken',
  `select pg_advisory_unlock($1, hash) from pg_catalog.unnest($2::integer[]) as hash
where exists (
  select from pg_locks as l
  where l.pid = pg_backend_pid() and l.locktype = 'advisory' and l.objsubid = 2
    and l.classid::bigint = $1::bigint & 4294967295 and l.objid::bigint = hash::bigint & 4294967295
)`,
)
// Only an asker holds this lock exclusively, and only for the length of one statement: waiting for it is waiting for microseconds.
const ENLIST = statement('enlist', 'select pg_advisory_lock_shared($1, $2)')
const DELIST = statement('delist', 'select pg_advisory_unlock_shared($1, $2)')
// The exclusive lock is refused while anybody is enlisted; granted, it ends with the statement.
const SIGNAL = statement(
  'signal',
  `select pg_notify($1, payload) from rows from (pg_catalog.unnest($2::text[]), pg_catalog.unnest($4::integer[])) as released (payload, hash)
where not pg_try_advisory_xact_lock($3, hash)`,
)

function statement(name: string, text: string): Statement {
  return { name: `postgres_cache_${name}`, text }
}

/** Those of this process who are enlisted for a hash. */
interface Waiting {
  enlisted: number
  heard: number
  readonly sleepers: Set<() => void>
}

export class AdvisoryLocks implements LoadLocks {
  readonly #session: Session
  readonly #names: Names
  readonly #channel: string
  readonly #read: Statement
  readonly #waiting = new Map<number, Waiting>()
  /**
   * Held or being asked for: the session would be given once more what it holds. Who finds a lock here waits for it, whatever has become of the session.
   */
  readonly #holding = new Set<number>()

  constructor(session: Session, names: Names, channel: string, read: Statement) {
    this.#session = session
    this.#names = names
    this.#channel = channel
    this.#read = read
  }

  async claim(keys: readonly string[]): Promise<Claims | null> {
    if (this.#session.state !== 'live') return null
    const hashes: number[] = []
    const asked: number[] = []
    for (const hash of keys.map(hashKey)) {
      if (!this.#holding.has(hash)) {
        if (this.#holding.size >= MAX_LOCKS) break
        this.#holding.add(hash)
        asked.push(hash)
      }
      hashes.push(hash)
    }
    if (hashes.length === 0) return null
    const tried = keys.slice(0, hashes.length)
    const heard = hashes.map((hash) => this.#waiting.get(hash)?.heard ?? 0)
    const [locked, read] = await Promise.allSettled([
      this.#session.query(TRY_LOCKS, [this.#names.loadClass, asked]),
      this.#session.query(this.#read, [encodeTextArray(tried)]),
    ])
    const rows = locked.status === 'fulfilled' ? locked.value : []
    const won = new Set(asked.filter((_, i) => rows[i]?.[0] === 'true'))
    for (const hash of asked) if (!won.has(hash)) this.#holding.delete(hash)
    const held = hashes.map((hash) => won.delete(hash))
    // Where the statement failed midway, the session keeps what it had taken: an error does not take session locks back.
    if (locked.status === 'rejected') await this.#unlock(UNLOCK_TAKEN, asked)
    if (locked.status === 'fulfilled' && read.status === 'fulfilled')
      return { held, heard, read: toReadReply(tried, read.value) }
    await this.release(tried.filter((_, i) => held[i]))
    return null
  }

  async look(key: string): Promise<ReadReply> {
    return toReadReply([key], await this.#session.query(this.#read, [encodeTextArray([key])]))
  }

  async enlist(key: string): Promise<void> {
    const hash = hashKey(key)
    const waiting = this.#waiting.get(hash) ?? { enlisted: 0, heard: 0, sleepers: new Set() }
    waiting.enlisted++
    this.#waiting.set(hash, waiting)
    await this.#session.query(ENLIST, [this.#names.waitClass, hash])
  }

  delist(key: string): void {
    const hash = hashKey(key)
    const waiting = this.#waiting.get(hash)
    if (waiting !== undefined && --waiting.enlisted === 0) this.#waiting.delete(hash)
    // Behind the answers to its callers. A lost session has no locks.
    setImmediate(() => void this.#session.query(DELIST, [this.#names.waitClass, hash]).catch(() => {}))
  }

  sleep(key: string, ms: number, heard: number): Promise<boolean> {
    const waiting = this.#waiting.get(hashKey(key))
    if (waiting === undefined) return Promise.resolve(false)
    if (waiting.heard !== heard) return Promise.resolve(true)
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        waiting.sleepers.delete(wake)
        resolve(waiting.heard !== heard)
      }
      const timer = setTimeout(wake, ms)
      waiting.sleepers.add(wake)
    })
  }

  async release(keys: readonly string[]): Promise<void> {
    const hashes = keys.map(hashKey)
    for (const hash of hashes) this.#holding.delete(hash)
    await this.#unlock(UNLOCK, hashes)
    this.wake(hashes)
  }

  async #unlock(unlock: Statement, hashes: readonly number[]): Promise<void> {
    if (hashes.length === 0) return
    const payloads = hashes.map((hash) => JSON.stringify({ a: this.#names.address, v: 1, l: [hash] }))
    try {
      await Promise.all([
        this.#session.query(unlock, [this.#names.loadClass, hashes]),
        this.#session.query(SIGNAL, [this.#channel, payloads, this.#names.waitClass, hashes]),
      ])
    } catch {
      // A lost session has no locks, and sleepers look again by themselves.
    }
  }

  /** A holder is done, here or elsewhere. */
  wake(hashes: readonly number[]): void {
    for (const hash of hashes) {
      const waiting = this.#waiting.get(hash)
      if (waiting === undefined) continue
      waiting.heard++
      for (const wake of waiting.sleepers) wake()
    }
  }
}
