// The facade: every public call, what it checks before anything is sent, and what it falls back to.

import { abortable } from './abortable.ts'
import { Answers } from './answers.ts'
import { Atomics, checkVersion } from './atomics.ts'
import type { Cache, CacheStats, TypedCache, Watch } from './contract.ts'
import { systemClock } from './core/clock.ts'
import { type Duration, parseTtl } from './core/duration.ts'
import type { Entry, Version } from './core/entry.ts'
import { assertKey, assertKeys, assertPrefix } from './core/key.ts'
import type { CacheEvents, CacheListener } from './events.ts'
import type {
  AsyncFunction,
  LoadedMany,
  Loader,
  ManyLoader,
  ManyValues,
  Wrapped,
  WrapOptions,
} from './loader.ts'
import {
  type CacheOptions,
  type CallOptions,
  checkCallOptions,
  type GetOptions,
  type GetOrSetOptions,
  type IncrementOptions,
  mayHit,
  resolveOptions,
  resolveScanOptions,
  resolveWatchOptions,
  type ScanOptions,
  type SetEntry,
  type SetOptions,
  type WatchOptions,
} from './options.ts'
import { Namespace } from './namespace.ts'
import { ReadThrough } from './read-through.ts'
import { Removals } from './removals.ts'
import { isSchemaCurrent, migrateSchema, readSchemaVersion, renderMigrations } from './schema.ts'
import { resolveSetEntries } from './set-entries.ts'
import type { StandardSchema } from './shape.ts'
import { statsOf } from './stats.ts'
import { assertClient } from './transaction.ts'
import type { TransactionCache, TransactionLike } from './transaction-cache.ts'
import type { NamespaceOptions, OutputOf } from './typed-cache.ts'
import { type Parts, shutDown, wire } from './wiring.ts'
import { wrapFunction } from './wrap.ts'

/**
 * A distributed cache in PostgreSQL, with a bounded local cache in front of it that never lags more than `maxStaleness`.
 * One session connection and a small pool per instance: make one for the process and share it.
 *
 * @example
 * const cache = new PostgresCache({ connectionString: process.env.DATABASE_URL })
 * const user = await cache.getOrSet('user:1', () => loadUser(1), { ttl: '2m' })
 * await cache.close()
 */
export class PostgresCache implements Cache {
  readonly #parts: Parts
  readonly #answers: Answers
  readonly #readThrough: ReadThrough
  readonly #atomics: Atomics
  readonly #removals: Removals
  #closing: Promise<void> | undefined

  /** Throws `invalid-option`. Connects on first use. */
  constructor(options: CacheOptions = {}) {
    this.#parts = wire(resolveOptions(options), systemClock)
    this.#answers = new Answers(this.#parts)
    this.#readThrough = new ReadThrough(this.#parts, this.#answers)
    this.#atomics = new Atomics(this.#parts, this.#answers)
    this.#removals = new Removals(this.#parts, this.#answers)
  }

  /** Installs or upgrades the schema; resolves to its version. Idempotent, and safe in many processes at once. */
  static migrate(options: CacheOptions = {}, { to }: { readonly to?: number } = {}): Promise<number> {
    return migrateSchema(options, to)
  }

  /** The SQL that migrate runs on an empty database, for migration tools. */
  static migrationSql(options: CacheOptions = {}): string {
    return renderMigrations(options)
  }

  /** 0 where nothing is installed. */
  static schemaVersion(options: CacheOptions = {}): Promise<number> {
    return readSchemaVersion(options)
  }

  /** Whether this release finds everything it needs. */
  static schemaIsCurrent(options: CacheOptions = {}): Promise<boolean> {
    return isSchemaCurrent(options)
  }

  async connect(options?: CallOptions): Promise<void> {
    checkCallOptions(options)
    await abortable(this.#parts.connection.connect(), options?.signal)
  }

  /** Installs or upgrades this cache's schema, breaking steps included. */
  async migrate(): Promise<number> {
    return this.#parts.connection.migrate()
  }

  async close(): Promise<void> {
    this.#closing ??= shutDown(this.#parts)
    await this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  get<T = unknown>(key: string, options?: GetOptions): Promise<T | undefined> {
    const entry = mayHit(options) ? this.#parts.local.hit(key) : undefined
    if (entry !== undefined)
      return Promise.resolve(this.#answers.answer(key, entry, 'local') as T | undefined)
    return this.#answers.read(key, options) as Promise<T | undefined>
  }

  async has(key: string, options?: GetOptions): Promise<boolean> {
    return (await this.get(key, options)) !== undefined
  }

  async getMany<T = unknown>(keys: readonly string[], options?: GetOptions): Promise<(T | undefined)[]> {
    assertKeys(keys)
    const found = await this.#answers.readMany(new Set(keys), options)
    return keys.map((key) => found.get(key) as T | undefined)
  }

  async getEntry<T = unknown>(key: string, options?: CallOptions): Promise<Entry<T> | undefined> {
    assertKey(key)
    return this.#answers.readEntry<T>(key, options)
  }

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller's claim, as in get
  peek<T = unknown>(key: string): T | undefined {
    const entry = this.#parts.local.hit(key)
    if (entry !== undefined) return this.#answers.answer(key, entry, 'local') as T | undefined
    assertKey(key)
    return undefined
  }

  set(key: string, value: unknown, options?: SetOptions): Promise<void> {
    return this.#answers.set(key, value, options)
  }

  async setMany(entries: Iterable<SetEntry>, options?: SetOptions): Promise<void> {
    // Everything is checked and encoded before anything is sent.
    const resolved = resolveSetEntries(entries, options, this.#parts.options)
    const encoded = resolved.map((entry) => this.#answers.encode(entry))
    await this.#answers.setMany(encoded, options)
  }

  async getOrSet<T, Previous = T>(
    key: string,
    loader: Loader<T, Previous>,
    options?: GetOrSetOptions,
  ): Promise<T> {
    return this.#readThrough.getOrSet(key, loader as Loader<unknown, unknown>, options) as Promise<T>
  }

  async getOrSetMany<R extends ManyValues>(
    keys: readonly string[],
    loader: ManyLoader<R>,
    options?: GetOrSetOptions,
  ): Promise<LoadedMany<R>> {
    return this.#readThrough.getOrSetMany(keys, loader, options) as Promise<LoadedMany<R>>
  }

  wrap<F extends AsyncFunction>(fn: F, options: WrapOptions<Parameters<F>>): Wrapped<F> {
    return wrapFunction(this, fn, options)
  }

  async add(key: string, value: unknown, options?: SetOptions): Promise<boolean> {
    return this.#atomics.writeIf('add', key, null, value, options)
  }

  async compareAndSet(
    key: string,
    version: Version | undefined,
    value: unknown,
    options?: SetOptions,
  ): Promise<boolean> {
    return this.#atomics.writeIf('compareAndSet', key, checkVersion(version), value, options)
  }

  async increment(key: string, options?: IncrementOptions): Promise<number> {
    return this.#atomics.increment(key, options)
  }

  async take<T = unknown>(key: string, options?: CallOptions): Promise<T | undefined> {
    return this.#atomics.take(key, options) as Promise<T | undefined>
  }

  async delete(key: string, options?: CallOptions): Promise<boolean> {
    return (await this.#removals.deleteMany([key], options))[0] === true
  }

  async deleteMany(keys: readonly string[], options?: CallOptions): Promise<boolean[]> {
    return this.#removals.deleteMany(keys, options)
  }

  async invalidate(keys: string | readonly string[], options?: CallOptions): Promise<void> {
    await this.#removals.invalidate(typeof keys === 'string' ? [keys] : keys, options)
  }

  async deleteByPrefix(prefix: string, options?: CallOptions): Promise<void> {
    assertPrefix(prefix)
    await this.#removals.invalidatePrefix(prefix, options)
  }

  async clear(options?: CallOptions): Promise<void> {
    await this.#removals.invalidatePrefix('', options)
  }

  async invalidateTags(tags: string | readonly string[], options?: CallOptions): Promise<void> {
    await this.#removals.invalidateTags(typeof tags === 'string' ? [tags] : tags, options)
  }

  namespace<S extends StandardSchema>(
    name: string,
    defaults: NamespaceOptions & { readonly schema: S },
  ): TypedCache<OutputOf<S>>
  namespace(name: string, defaults?: NamespaceOptions): Cache
  namespace(name: string, defaults: NamespaceOptions = {}): Cache {
    return new Namespace(this, name, defaults, {
      options: this.#parts.options,
      reporter: this.#parts.reporter,
    })
  }

  async withTransaction(tx: TransactionLike): Promise<TransactionCache> {
    return this.#answers.send(undefined, () => this.#parts.beginTransaction(assertClient(tx)))
  }

  async watch(table: string, options: WatchOptions): Promise<void> {
    const { gate, watches } = this.#parts
    const patterns = resolveWatchOptions(options)
    await this.#answers.sendAll(undefined, () => gate.pass('watch', () => watches.watch(table, patterns)))
  }

  async unwatch(table: string): Promise<boolean> {
    const { gate, watches } = this.#parts
    return this.#answers.sendAll(undefined, () => gate.pass('unwatch', () => watches.unwatch(table)))
  }

  async watches(): Promise<Watch[]> {
    const { gate, watches } = this.#parts
    return this.#answers.sendAll(undefined, () => gate.pass('watches', () => watches.list()))
  }

  async touch(key: string, ttl: Duration | null, options?: CallOptions): Promise<boolean> {
    assertKey(key)
    const ttlMs = parseTtl(ttl, 'ttl')
    return this.#answers.send(options, () => this.#parts.writer.touch(key, ttlMs))
  }

  async expire(key: string, options?: CallOptions): Promise<boolean> {
    assertKey(key)
    return this.#answers.send(options, () => this.#parts.writer.expire(key))
  }

  async *keys(options?: ScanOptions): AsyncGenerator<string> {
    const resolved = resolveScanOptions(options)
    await this.#parts.connection.ready()
    for await (const { key } of this.#parts.scan.entries(resolved)) yield key
  }

  async *entries<T = unknown>(options?: ScanOptions): AsyncGenerator<Entry<T>> {
    const resolved = resolveScanOptions(options)
    await this.#parts.connection.ready()
    for await (const stored of this.#parts.scan.entries(resolved)) {
      const entry = this.#answers.toEntry<T>(stored)
      if (entry !== undefined) yield entry
    }
  }

  async prune(options?: CallOptions): Promise<number> {
    return this.#answers.sendAll(options, () => this.#parts.connection.prune())
  }

  stats(): CacheStats {
    return statsOf(this.#parts)
  }

  on<E extends keyof CacheEvents>(event: E, listener: CacheListener<E>): () => void {
    return this.#parts.reporter.on(event, listener)
  }

  async sync(options?: CallOptions): Promise<void> {
    await this.#answers.sendAll(options, () => this.#parts.sync.barrier())
  }
}
