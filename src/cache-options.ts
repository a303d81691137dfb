// What a cache can be told when it is made: every option, documented here and nowhere else.

import type { Codec } from './codecs/codec.ts'
import type { Duration } from './core/duration.ts'
import type { LoadOptions } from './load-options.ts'

/** Options of a cache. Whatever is wrong throws `invalid-option`, naming option, rule and value. */
export interface CacheOptions extends LoadOptions {
  /**
   * Where the primary is, as `postgres://user:password@host:port/database`. Refused together with a `pg.Pool`.
   * @default what the PG* environment variables name
   */
  readonly connectionString?: string | undefined
  /**
   * Bounds of the cache's own pool, or an existing `pg.Pool`, which is used and never ended. The session connection takes
   * its address from the `options` of that pool.
   * @default { max: 4, min: 0 }
   */
  readonly pool?: PoolBounds | PoolLike | undefined
  /**
   * A direct address of the same database for the one session connection (LISTEN, advisory locks), for when the main
   * address goes through a pooler in transaction mode.
   * @default the main address
   */
  readonly sessionConnectionString?: string | undefined
  /**
   * How changes by others are noticed within `maxStaleness`: `'listen'` adds notifications, which usually tell within a
   * millisecond, for one session connection; `'poll'` opens none. `true` and `false` mean the same two.
   * @default 'listen'
   */
  readonly notifications?: 'listen' | 'poll' | boolean | undefined
  /**
   * The channel of the notifications, an identifier of at most 63 bytes. Caches may share it. Kept in the schema:
   * clients that disagree fail with `settings-mismatch`.
   * @default 'cache_events'
   */
  readonly notifyChannel?: string | undefined
  /**
   * The schema that holds all tables and functions, an identifier of at most 63 bytes.
   * @default 'postgres_cache'
   */
  readonly schema?: string | undefined
  /**
   * Put in front of the name of every table and function, at most 23 bytes; caches with other prefixes are independent.
   * @default ''
   */
  readonly schemaPrefix?: string | undefined
  /**
   * The local cache of this process, or false for none.
   * @default { maxEntries: 65_536, maxBytes: 64 MiB, values: 'clone' }
   */
  readonly local?: false | LocalOptions | undefined
  /**
   * How long an entry stays fresh where the call names no ttl; null: for ever.
   * @default '5m'
   */
  readonly ttl?: Duration | null | undefined
  /**
   * For how long after its ttl an entry may be served stale where the call names no grace; null: not at all.
   * @default null
   */
  readonly grace?: Duration | null | undefined
  /**
   * How far a local hit may lag behind the database, from 100 ms up. Holds when notifications are lost, too.
   * @default '2s'
   */
  readonly maxStaleness?: Duration | undefined
  /**
   * Deadline of a loader: then its signal is aborted and the call rejects with `load-timeout`. Calls can only shorten
   * it. Use the same in all processes: a load longer than the `loadTimeout` of the process that sweeps may not be stored.
   * @default '30s'
   */
  readonly loadTimeout?: Duration | undefined
  /**
   * How long a call waits for another process that loads the same key, before it serves stale or loads by itself.
   * @default '5s'
   */
  readonly lockTimeout?: Duration | undefined
  /**
   * Deadline of a statement, and of the wait for a connection of the pool. Reads then miss, writes reject with `timeout`; the server is asked to cancel
   * the statement.
   * @default '2s'
   */
  readonly queryTimeout?: Duration | undefined
  /**
   * Bytes of reads and writes under way in this process; beyond it writes reject with `overloaded` and reads miss.
   * At least `maxValueBytes`.
   * @unit bytes
   * @default 64 MiB
   */
  readonly maxPending?: number | undefined
  /**
   * Bytes of one encoded value, at most 64 MiB; larger ones reject with `value-too-large`. What a loader has
   * returned is handed out all the same, not stored, and an `error` event.
   * @unit bytes
   * @default 1 MiB
   */
  readonly maxValueBytes?: number | undefined
  /**
   * Caps of the table, approximate: looked at twice a second at most, so that it may grow beyond them in between.
   * @default none
   */
  readonly store?: StoreOptions | undefined
  /**
   * How often the sweeper removes what expired. One process at a time sweeps.
   * @default '30s'
   */
  readonly pruneInterval?: Duration | undefined
  /**
   * Rows that one statement of the sweeper removes at most, from 1 to 10,000.
   * @unit rows
   * @default 500
   */
  readonly pruneBatchSize?: number | undefined
  /**
   * `'unlogged'`: no write-ahead log, and a crash of the server empties the cache. `'logged'`: entries survive it.
   * Kept in the schema: clients that disagree fail with `settings-mismatch`.
   * @default 'unlogged'
   */
  readonly durability?: 'unlogged' | 'logged' | undefined
  /**
   * Whether connecting installs the schema where there is none and applies non-breaking migrations. With false, a
   * missing one fails with `schema-missing`, and calls that need what an older one lacks with `schema-outdated`. A
   * breaking migration always waits for an explicit `migrate()`.
   * @default true
   */
  readonly migrate?: boolean | undefined
  /**
   * Encodes values. Entries of a codec that a reader does not have are misses, with an `error` event. `compressed()` and
   * `encrypted()` make such codecs.
   * @default JSON
   */
  readonly codec?: Codec | undefined
  /**
   * Whether statements are prepared and named. False for poolers that cannot carry prepared statements.
   * @default true
   */
  readonly prepare?: boolean | undefined
  /**
   * Has a sample of local hits compared with the store, each at the cost of a read, and of a sync where they
   * differ. What is wrong is counted in `violations`, reported as `violation-found`, and flushed with everything else.
   * @default none
   */
  readonly audit?: AuditOptions | undefined
  /**
   * Is handed each load that goes on after its callers were served, for platforms that freeze a process between requests.
   * What it gets resolves when the load has ended, and never rejects.
   * @default none: close() waits for such loads
   */
  readonly waitUntil?: ((work: Promise<void>) => void) | undefined
}

export interface AuditOptions {
  /** The share of local hits that is audited, from 0 to 1. @unit part of the hits */
  readonly sampleRate: number
}

export interface PoolBounds {
  /** From 1 to 100. @unit connections @default 4 */
  readonly max?: number | undefined
  /** Kept open while idle, at most `max`. @unit connections @default 0 */
  readonly min?: number | undefined
}

/** The part of a `pg.Pool` that is used. */
export interface PoolLike {
  /**
   * What the pool was made with, from which the session connection takes its address. Needed unless
   * `sessionConnectionString` names one or `notifications` is `'poll'`.
   */
  readonly options?: object | undefined
  connect(): Promise<PoolClientLike>
}

export interface PoolClientLike {
  query(
    statement: { text: string; values?: unknown[] },
    callback: (error: Error, result: { rows: unknown[] }) => void,
  ): void
  on(event: 'error', listener: (error: Error) => void): unknown
  off(event: 'error', listener: (error: Error) => void): unknown
  release(error?: Error | boolean): void
}

export interface LocalOptions {
  /** Beyond it, entries are evicted. @unit entries @default 65_536 */
  readonly maxEntries?: number | undefined
  /** What the entries may cost in the heap. @unit bytes @default 64 MiB */
  readonly maxBytes?: number | undefined
  /**
   * What a hit hands out: `'clone'` a value of the caller's own, decoded per hit; `'freeze'` one deep-frozen value that
   * all callers share; `'share'` one shared value that no caller may change. With `'clone'`, callers that share a load get
   * values of their own, too. What was just loaded is handed out as a later hit will hand it out, and not as the loader
   * returned it, so that its type does not change from the second call on. What a loader skips they share as it is.
   * @default 'clone'
   */
  readonly values?: 'clone' | 'freeze' | 'share' | undefined
  /** Longest stay in the local cache, where shorter than the entry's own ttl. @default the entry's ttl */
  readonly ttl?: Duration | undefined
}

export interface StoreOptions {
  /** Entries that have not expired; what is beyond is evicted, what was written first goes first. @unit entries @default none */
  readonly maxEntries?: number | undefined
  /**
   * What all rows take in the table and its index, expired ones included, which go first. The files are larger: they hold
   * free space, too.
   * @unit bytes
   * @default none
   */
  readonly maxBytes?: number | undefined
}
