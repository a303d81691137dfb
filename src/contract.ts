// What every cache of this package can do: PostgresCache, and NullCache in its place.

import type { Duration } from './core/duration.ts'
import type { Entry, Version } from './core/entry.ts'
import type { CacheCounters, CacheEvents, CacheListener, HitTier } from './events.ts'
import type {
  AsyncFunction,
  LoadedMany,
  Loader,
  ManyLoader,
  ManyValues,
  Wrapped,
  WrapOptions,
} from './loader.ts'
import type { CacheMeasures } from './measures.ts'
import type {
  CallOptions,
  GetOptions,
  GetOrSetOptions,
  IncrementOptions,
  ScanOptions,
  SetEntry,
  SetOptions,
  WatchOptions,
} from './options.ts'
import type { StandardSchema } from './shape.ts'
import type { TransactionCache, TransactionLike } from './transaction-cache.ts'
import type { NamespaceOptions, OutputOf, TypedCalls } from './typed-cache.ts'

/**
 * A cache, used like a Map whose calls return promises: `undefined` is a miss and never stored, `null` is a value.
 *
 * Reads never reject because the database is gone: they miss, or serve stale where grace allows it. Explicit writes,
 * `keys()`, `entries()` and `sync()` reject with a `CacheError` then. Wrong keys, durations and tags reject in every call,
 * before the database sees them.
 */
export interface Cache {
  /** Connects and installs or checks the schema. Every call does so by itself; calling it first fails fast. */
  connect(options?: CallOptions): Promise<void>

  /** Waits for the calls under way, then lets go of every connection, lock and timer. Later calls reject with `closed`. */
  close(): Promise<void>

  [Symbol.asyncDispose](): Promise<void>

  /**
   * The value, or undefined for a miss. The type is the caller's claim; nothing checks it.
   *
   * @example
   * const user = await cache.get<User>('user:1') // User | undefined
   */
  get<T = unknown>(key: string, options?: GetOptions): Promise<T | undefined>

  has(key: string, options?: GetOptions): Promise<boolean>

  /** The values in the order of the keys, undefined for each miss. One wrong key rejects the call. */
  getMany<T = unknown>(keys: readonly string[], options?: GetOptions): Promise<(T | undefined)[]>

  /** The value with its version, tags and deadlines, read from the store. Stale entries are shown, and marked. */
  getEntry<T = unknown>(key: string, options?: CallOptions): Promise<Entry<T> | undefined>

  /** The value if the local cache may answer right now; undefined says nothing about the store. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller's claim, as in get
  peek<T = unknown>(key: string): T | undefined

  /**
   * Resolves once committed. `undefined`, functions, symbols, BigInt and cycles are refused with `invalid-value`.
   *
   * @example
   * await cache.set('user:1', { name: 'Ava' }, { ttl: '5m', tags: ['users'] })
   */
  set(key: string, value: unknown, options?: SetOptions): Promise<void>

  /**
   * One statement for up to 256 entries or 1 MiB, each all or nothing. What an entry leaves out comes from `options`. Of a
   * key given twice, the last one counts.
   */
  setMany(entries: Iterable<SetEntry>, options?: SetOptions): Promise<void>

  /**
   * The value, or else what the loader returns, which is stored. Usually one loader runs per key and miss, over all
   * processes. Its value is not cached if key or tags were invalidated while it ran. What it throws rejects the call,
   * unless a stale entry is within its grace. `undefined` is handed back and not stored.
   *
   * @example
   * const user = await cache.getOrSet('user:1', () => loadUser(1), { ttl: '2m', tags: ['users'] })
   */
  getOrSet<T, Previous = T>(key: string, loader: Loader<T, Previous>, options?: GetOrSetOptions): Promise<T>

  /**
   * The values in the order of the keys. The loader is called once, for all keys that are missing and that nobody else is
   * loading; it returns an array in their order, or a Map of what exists, and `undefined` for the rest. Otherwise as
   * getOrSet, key by key.
   *
   * @example
   * const users = await cache.getOrSetMany(['user:1', 'user:2'], (missing) => loadUsers(missing), { ttl: '2m' })
   */
  getOrSetMany<R extends ManyValues>(
    keys: readonly string[],
    loader: ManyLoader<R>,
    options?: GetOrSetOptions,
  ): Promise<LoadedMany<R>>

  /**
   * The function, read through the cache: of the same type, with `invalidate(...args)` and `refresh(...args)`.
   *
   * @example
   * const userById = cache.wrap(loadUser, { key: (id) => `user:${id}`, ttl: '2m' })
   * const user = await userById(1)
   */
  wrap<F extends AsyncFunction>(fn: F, options: WrapOptions<Parameters<F>>): Wrapped<F>

  /**
   * Stores the value if nothing fresh is there; whether it did. Of many callers, in however many processes, one succeeds.
   *
   * @example
   * if (await cache.add(`mailed:${order.id}`, true, { ttl: '1d' })) await sendMail(order)
   */
  add(key: string, value: unknown, options?: SetOptions): Promise<boolean>

  /** Removes the entry and resolves to its value; undefined for a miss. Of many callers one gets it. */
  take<T = unknown>(key: string, options?: CallOptions): Promise<T | undefined>

  /**
   * Adds `by` to a number and resolves to the sum. Where nothing fresh is there it counts from 0, and ttl and tags begin;
   * later calls leave them as they are. Rejects with `invalid-value` where something else is stored.
   *
   * @example
   * if ((await cache.increment(`requests:${ip}`, { ttl: '1m' })) > 100) throw new TooManyRequests()
   */
  increment(key: string, options?: IncrementOptions): Promise<number>

  /**
   * Stores the value if the entry still is of the version that `getEntry` has shown, or is still missing for undefined;
   * whether it did.
   *
   * @example
   * const entry = await cache.getEntry<number[]>('list')
   * const isStored = await cache.compareAndSet('list', entry?.version, [...(entry?.value ?? []), 5])
   */
  compareAndSet(
    key: string,
    version: Version | undefined,
    value: unknown,
    options?: SetOptions,
  ): Promise<boolean>

  /** Whether a fresh entry was there. */
  delete(key: string, options?: CallOptions): Promise<boolean>

  /** Whether a fresh entry was there, in the order of the keys. */
  deleteMany(keys: readonly string[], options?: CallOptions): Promise<boolean[]>

  /** As deleteMany, without the answer: whatever is stored or being loaded under these keys is no longer served. */
  invalidate(keys: string | readonly string[], options?: CallOptions): Promise<void>

  /**
   * Invalidates every entry that carries one of the tags, at a cost that does not depend on their number.
   *
   * @example
   * await cache.invalidateTags(['users', `org:${org.id}`])
   */
  invalidateTags(tags: string | readonly string[], options?: CallOptions): Promise<void>

  /** Invalidates every key that starts with `prefix`, at a cost that does not depend on their number. */
  deleteByPrefix(prefix: string, options?: CallOptions): Promise<void>

  /** Invalidates every key, at a cost that does not depend on their number. */
  clear(options?: CallOptions): Promise<void>

  /** Gives an entry, fresh or within its grace, a new ttl, counted from now; null: for ever. False: there was none. */
  touch(key: string, ttl: Duration | null, options?: CallOptions): Promise<boolean>

  /** Makes an entry stale now: its grace begins, and where it has none it is gone. False: there was none. */
  expire(key: string, options?: CallOptions): Promise<boolean>

  /** The keys of fresh entries, page by page from the store. Writes meanwhile may or may not show. */
  keys(options?: ScanOptions): AsyncIterable<string>

  /** The fresh entries, page by page from the store. Writes meanwhile may or may not show. */
  entries<T = unknown>(options?: ScanOptions): AsyncIterable<Entry<T>>

  /**
   * The same interface over keys that begin with `name:`, with defaults of its own; `clear()` is one append. Tags, `stats()`, `on()`, `prune()`, `sync()`,
   * `unwatch()` and `watches()` are of the whole cache, and events name whole keys. It need not be closed. With a `schema` its values are of one type.
   * `name` has no ':'. Nest instead: `cache.namespace('app').namespace('users')`.
   *
   * @example
   * const users = cache.namespace('users', { ttl: '10m' })
   */
  namespace<S extends StandardSchema>(
    name: string,
    defaults: NamespaceOptions & { readonly schema: S },
  ): TypedCache<OutputOf<S>>
  namespace(name: string, defaults?: NamespaceOptions): Cache

  /**
   * The cache inside a transaction that was begun on `tx`: what is done through it is visible to nobody before the
   * commit, and gone on rollback, to a savepoint too. Invalidations never wait and never make the transaction fail, but for a
   * serialization failure among SERIALIZABLE ones.
   *
   * @example
   * await client.query('begin')
   * const cached = await cache.withTransaction(client)
   * await client.query('update users set name = $1 where id = $2', [name, id])
   * await cached.invalidate(`user:${id}`)
   * await client.query('commit')
   */
  withTransaction(tx: TransactionLike): Promise<TransactionCache>

  /**
   * From now on every change of the table, by whatever program, invalidates the keys and tags that the patterns name, in
   * the transaction that makes it. `{column}` stands for the old and the new value of a column. A table has one watch: the
   * same patterns again change nothing, others replace the former, whichever namespace they came from. Needs
   * ownership of the table or the TRIGGER right on it, and ownership where it was watched otherwise before. `table` is SQL: `users`, `sales."Order Lines"`.
   *
   * @example
   * await cache.watch('users', { keys: ['user:{id}'], tags: ['users', 'org:{org_id}'] })
   */
  watch(table: string, options: WatchOptions): Promise<void>

  /** False: the table was not watched. Needs ownership of the table. */
  unwatch(table: string): Promise<boolean>

  watches(): Promise<Watch[]>

  /** Does now what the sweeper does in the background. Resolves to the number of rows removed. */
  prune(options?: CallOptions): Promise<number>

  /** Figures of this process, a plain copy. */
  stats(): CacheStats

  /**
   * Calls `listener` after each such outcome, synchronously. Returns the function that ends the subscription.
   *
   * @example
   * const off = cache.on('session-lost', ({ error }) => log.warn(error))
   */
  on<E extends keyof CacheEvents>(event: E, listener: CacheListener<E>): () => void

  /** Once resolved, every read here sees what was committed anywhere before the call. */
  sync(options?: CallOptions): Promise<void>
}

/** A namespace with a schema: its values are of one type. */
export type TypedCache<T> = Omit<Cache, keyof TypedCalls<T>> & TypedCalls<T>

/** What was counted and measured since the cache was made, and what it holds now. */
export interface CacheStats extends CacheCounters, CacheMeasures {
  /** The shares of all reads that each tier has answered, from 0 to 1; the rest were misses. */
  readonly hitRates: Readonly<Record<HitTier, number>>
  readonly local: { readonly entries: number; readonly bytes: number }
  /** Bytes of reads and writes under way; at most `maxPending`. */
  readonly pendingBytes: number
  /** `open`: nothing is sent to the database, but for a try each second; reads miss and writes reject. */
  readonly circuit: 'closed' | 'open'
  /** `live`: hints arrive. `deaf`: they cannot here, as behind a pooler, and it polls. `none`: not connected yet, or `notifications: 'poll'`. */
  readonly session: 'live' | 'lost' | 'deaf' | 'none'
  /** Milliseconds since the last sync was sent: what is older is known here. null: none was answered yet. */
  readonly syncAgeMs: number | null
}

export interface Watch {
  readonly table: string
  readonly keys: readonly string[]
  readonly tags: readonly string[]
  readonly hints: boolean
  /**
   * Partitions and inheriting tables that were added since, and where triggers are disabled: statements that name them go unnoticed until watch() is called
   * again. The table itself is among them where its own triggers are disabled.
   */
  readonly unwatchedPartitions: readonly string[]
}
