// A cache that keeps nothing, for tests and for switching caching off. It checks keys, durations, tags and values like
// the real one, so that a mistake shows in development and not first in production.

import { checkStep, checkVersion } from './atomics.ts'
import { encodeValue } from './codecs/values.ts'
import type { Cache, CacheStats, TypedCache, Watch } from './contract.ts'
import { type Duration, parseTtl } from './core/duration.ts'
import type { Entry, Version } from './core/entry.ts'
import { assertKey, assertKeys, assertPrefix, assertTags } from './core/key.ts'
import { type CacheEvents, type CacheListener, Reporter } from './events.ts'
import type {
  AsyncFunction,
  LoadedMany,
  Loader,
  ManyLoader,
  ManyValues,
  Wrapped,
  WrapOptions,
} from './loader.ts'
import { Namespace } from './namespace.ts'
import { loadUnkept } from './null-load.ts'
import {
  type CacheOptions,
  type CallOptions,
  checkCallOptions,
  ENTRY_NAMES,
  checkGetOptions,
  type GetOptions,
  type GetOrSetOptions,
  type IncrementOptions,
  type ResolvedLoadOptions,
  type ResolvedOptions,
  type ScanOptions,
  type SetEntry,
  type SetOptions,
  type WatchOptions,
  INCREMENT_NAMES,
  resolveLoadOptions,
  resolveSetOptions,
  resolveOptions,
  resolveScanOptions,
  resolveWatchOptions,
} from './options.ts'
import { createNames } from './postgres/names.ts'
import { type RunLoader, runMany, runOne } from './running-load.ts'
import { checkEntries, resolveSetEntry } from './set-entries.ts'
import type { StandardSchema } from './shape.ts'
import { toStats } from './stats.ts'
import { assertClient } from './transaction.ts'
import type { TransactionCache, TransactionLike } from './transaction-cache.ts'
import type { NamespaceOptions, OutputOf } from './typed-cache.ts'
import { wrapFunction } from './wrap.ts'

/**
 * Takes the options of a PostgresCache and connects to nothing: reads miss, loaders run every time.
 *
 * @example
 * const cache: Cache = process.env.DATABASE_URL ? new PostgresCache(options) : new NullCache(options)
 */
export class NullCache implements Cache {
  readonly #options: ResolvedOptions
  readonly #reporter: Reporter

  constructor(options: CacheOptions = {}) {
    this.#options = resolveOptions(options)
    const { schema, schemaPrefix } = this.#options
    this.#reporter = new Reporter(createNames({ schema, prefix: schemaPrefix }).label)
  }

  async connect(options?: CallOptions): Promise<void> {
    this.#check([], options)
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}

  async get<T = unknown>(key: string, options?: GetOptions): Promise<T | undefined> {
    this.#miss([key], checkGetOptions(options))
    return undefined
  }

  async has(key: string, options?: GetOptions): Promise<boolean> {
    this.#miss([key], checkGetOptions(options))
    return false
  }

  async getMany<T = unknown>(keys: readonly string[], options?: GetOptions): Promise<(T | undefined)[]> {
    this.#miss(keys, checkGetOptions(options))
    return keys.map(() => undefined)
  }

  async getEntry<T = unknown>(key: string, options?: CallOptions): Promise<Entry<T> | undefined> {
    this.#miss([key], checkCallOptions(options))
    return undefined
  }

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller's claim, as in get
  peek<T = unknown>(key: string): T | undefined {
    assertKey(key)
    return undefined
  }

  async set(key: string, value: unknown, options?: SetOptions): Promise<void> {
    this.#encode([key, value], options)
  }

  async setMany(entries: Iterable<SetEntry>, options?: SetOptions): Promise<void> {
    checkCallOptions(options, ENTRY_NAMES)
    for (const entry of checkEntries(entries)) this.#encode(entry, options)
  }

  async getOrSet<T, Previous = T>(
    key: string,
    loader: Loader<T, Previous>,
    options?: GetOrSetOptions,
  ): Promise<T> {
    const resolved = resolveLoadOptions(options, this.#options)
    const [value] = await this.#load([key], runOne(loader as Loader<unknown, unknown>, resolved), resolved)
    return value as T
  }

  async getOrSetMany<R extends ManyValues>(
    keys: readonly string[],
    loader: ManyLoader<R>,
    options?: GetOrSetOptions,
  ): Promise<LoadedMany<R>> {
    assertKeys(keys)
    const distinct = [...new Set(keys)]
    const resolved = resolveLoadOptions(options, this.#options)
    const values = await this.#load(distinct, runMany(loader, resolved), resolved)
    const byKey = new Map(distinct.map((key, i) => [key, values[i]]))
    return keys.map((key) => byKey.get(key)) as LoadedMany<R>
  }

  wrap<F extends AsyncFunction>(fn: F, options: WrapOptions<Parameters<F>>): Wrapped<F> {
    return wrapFunction(this, fn, options)
  }

  async add(key: string, value: unknown, options?: SetOptions): Promise<boolean> {
    this.#encode([key, value], options)
    return true
  }

  async take<T = unknown>(key: string, options?: CallOptions): Promise<T | undefined> {
    this.#miss([key], checkCallOptions(options))
    return undefined
  }

  async increment(key: string, options?: IncrementOptions): Promise<number> {
    assertKey(key)
    resolveSetOptions(options, this.#options, INCREMENT_NAMES)
    const by = checkStep(options?.by)
    options?.signal?.throwIfAborted()
    return by
  }

  async compareAndSet(
    key: string,
    version: Version | undefined,
    value: unknown,
    options?: SetOptions,
  ): Promise<boolean> {
    this.#encode([key, value], options)
    return checkVersion(version) === null
  }

  async delete(key: string, options?: CallOptions): Promise<boolean> {
    this.#check([key], options)
    return false
  }

  async deleteMany(keys: readonly string[], options?: CallOptions): Promise<boolean[]> {
    this.#check(keys, options)
    return keys.map(() => false)
  }

  async invalidate(keys: string | readonly string[], options?: CallOptions): Promise<void> {
    this.#check(typeof keys === 'string' ? [keys] : keys, options)
  }

  async invalidateTags(tags: string | readonly string[], options?: CallOptions): Promise<void> {
    assertTags(typeof tags === 'string' ? [tags] : tags)
    this.#check([], options)
  }

  async deleteByPrefix(prefix: string, options?: CallOptions): Promise<void> {
    assertPrefix(prefix)
    this.#check([], options)
  }

  async clear(options?: CallOptions): Promise<void> {
    this.#check([], options)
  }

  async touch(key: string, ttl: Duration | null, options?: CallOptions): Promise<boolean> {
    parseTtl(ttl, 'ttl')
    this.#check([key], options)
    return false
  }

  async expire(key: string, options?: CallOptions): Promise<boolean> {
    this.#check([key], options)
    return false
  }

  async *keys(options?: ScanOptions): AsyncIterable<string> {
    resolveScanOptions(options)
    yield* []
  }

  async *entries<T = unknown>(options?: ScanOptions): AsyncIterable<Entry<T>> {
    resolveScanOptions(options)
    yield* []
  }

  namespace<S extends StandardSchema>(
    name: string,
    defaults: NamespaceOptions & { readonly schema: S },
  ): TypedCache<OutputOf<S>>
  namespace(name: string, defaults?: NamespaceOptions): Cache
  namespace(name: string, defaults: NamespaceOptions = {}): Cache {
    return new Namespace(this, name, defaults, { options: this.#options, reporter: this.#reporter })
  }

  async withTransaction(tx: TransactionLike): Promise<TransactionCache> {
    assertClient(tx)
    return {
      get: (key) => this.get(key),
      set: (key, value, options) => this.set(key, value, options),
      delete: async (key) => void (await this.delete(key)),
      invalidate: (keys) => this.invalidate(keys),
      invalidateTags: (tags) => this.invalidateTags(tags),
      deleteByPrefix: (prefix) => this.deleteByPrefix(prefix),
    }
  }

  async watch(_table: string, options: WatchOptions): Promise<void> {
    resolveWatchOptions(options)
  }

  async unwatch(_table: string): Promise<boolean> {
    return false
  }

  async watches(): Promise<Watch[]> {
    return []
  }

  async prune(options?: CallOptions): Promise<number> {
    this.#check([], options)
    return 0
  }

  stats(): CacheStats {
    return toStats(this.#reporter, {
      local: { entries: 0, bytes: 0 },
      pendingBytes: 0,
      circuit: 'closed',
      session: 'none',
      syncAgeMs: null,
    })
  }

  on<E extends keyof CacheEvents>(event: E, listener: CacheListener<E>): () => void {
    return this.#reporter.on(event, listener)
  }

  async sync(options?: CallOptions): Promise<void> {
    this.#check([], options)
  }

  async #load(keys: readonly string[], run: RunLoader, options: ResolvedLoadOptions): Promise<unknown[]> {
    this.#miss(keys, options)
    const [first, ...others] = keys
    return first === undefined
      ? []
      : loadUnkept([first, ...others], run, options, this.#options, this.#reporter)
  }

  #check(keys: readonly string[], options: CallOptions | undefined): void {
    assertKeys(keys)
    checkCallOptions(options)?.signal?.throwIfAborted()
  }

  #miss(keys: readonly string[], options: CallOptions | undefined): void {
    assertKeys(keys)
    options?.signal?.throwIfAborted()
    for (const key of keys) this.#reporter.missed(key)
  }

  #encode(entry: SetEntry, options: SetOptions | undefined): void {
    const { key, value } = resolveSetEntry(entry, options, this.#options)
    encodeValue(this.#options, key, value)
    options?.signal?.throwIfAborted()
  }
}
