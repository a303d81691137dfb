// A part of a cache under a prefix of its own, with the same interface. It owns nothing: connections belong to the cache that it was made from.

import type { Cache, CacheStats, TypedCache, Watch } from './contract.ts'
import { checkObject, invalid } from './core/check.ts'
import type { Duration } from './core/duration.ts'
import type { CacheError } from './core/errors.ts'
import type { Entry, Version } from './core/entry.ts'
import type { CacheEvents, CacheListener, Reporter } from './events.ts'
import { NAMED } from './load-options.ts'
import type {
  AsyncFunction,
  LoadedMany,
  Loader,
  ManyLoader,
  ManyValues,
  Wrapped,
  WrapOptions,
} from './loader.ts'
import { NamespaceKeys } from './namespace-keys.ts'
import { NamespaceLoads } from './namespace-loads.ts'
import {
  type CallDefaults,
  type CallOptions,
  type GetOptions,
  type GetOrSetOptions,
  type IncrementOptions,
  resolveLoadOptions,
  type ScanOptions,
  type SetEntry,
  type SetOptions,
  type WatchOptions,
} from './options.ts'
import { Shape, type StandardSchema } from './shape.ts'
import type { TransactionCache, TransactionLike } from './transaction-cache.ts'
import type { NamespaceOptions, OutputOf } from './typed-cache.ts'
import { wrapFunction } from './wrap.ts'

/** What a namespace has of the cache that it was made from. */
export interface NamespaceOrigin {
  /** What the namespaces around it put in front of keys. */
  readonly path?: string
  readonly options: CallDefaults
  readonly reporter: Reporter
}

export class Namespace implements Cache {
  readonly #parent: Cache
  readonly #prefix: string
  readonly #keys: NamespaceKeys
  readonly #path: string
  readonly #defaults: Omit<NamespaceOptions, 'schema'>
  readonly #origin: NamespaceOrigin
  readonly #shape: Shape | null
  readonly #loads: NamespaceLoads

  constructor(
    parent: Cache,
    name: string,
    { schema, ...defaults }: NamespaceOptions,
    origin: NamespaceOrigin,
  ) {
    // What is wrong shows here and not in a call.
    resolveLoadOptions(defaults, origin.options)
    this.#parent = parent
    this.#prefix = `${checkName(name)}:`
    this.#keys = new NamespaceKeys(this.#prefix)
    this.#path = (origin.path ?? '') + this.#prefix
    this.#defaults = defaults
    this.#origin = { ...origin, path: this.#path }
    const report = (error: CacheError): void =>
      origin.reporter.report('error', { error, operation: 'validate' })
    this.#shape = schema === undefined ? null : new Shape(schema, report)
    this.#loads = new NamespaceLoads(parent, this.#keys, (key, value) => this.#fit(key, value))
  }

  namespace<S extends StandardSchema>(
    name: string,
    defaults: NamespaceOptions & { readonly schema: S },
  ): TypedCache<OutputOf<S>>
  namespace(name: string, defaults?: NamespaceOptions): Cache
  namespace(name: string, defaults: NamespaceOptions = {}): Cache {
    const { schema, ...named } = checkObject(defaults)
    return new Namespace(this, name, { ...over(this.#defaults, named), schema }, this.#origin)
  }

  connect(options?: CallOptions): Promise<void> {
    return this.#parent.connect(options)
  }

  /** Nothing: the cache that it was made from is closed by its owner. */
  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}

  get<T = unknown>(key: string, options?: GetOptions): Promise<T | undefined> {
    try {
      const value = this.#parent.get<T>(this.#keys.in(key), options)
      return this.#shape === null ? value : value.then((found) => this.#fit(key, found))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async has(key: string, options?: GetOptions): Promise<boolean> {
    return this.#shape === null
      ? this.#parent.has(this.#keys.in(key), options)
      : (await this.get(key, options)) !== undefined
  }

  async getMany<T = unknown>(keys: readonly string[], options?: GetOptions): Promise<(T | undefined)[]> {
    const values = await this.#parent.getMany<T>(this.#keys.allIn(keys), options)
    return values.map((value, i) => this.#fit(keys[i] as string, value))
  }

  async getEntry<T = unknown>(key: string, options?: CallOptions): Promise<Entry<T> | undefined> {
    const entry = await this.#parent.getEntry<T>(this.#keys.in(key), options)
    const value = this.#fit(key, entry?.value)
    return entry && value !== undefined ? { ...entry, key, value } : undefined
  }

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller's claim, as in get
  peek<T = unknown>(key: string): T | undefined {
    return this.#fit(key, this.#parent.peek<T>(this.#keys.in(key)))
  }

  async set(key: string, value: unknown, options?: SetOptions): Promise<void> {
    await this.#parent.set(this.#keys.in(key), value, over(this.#defaults, options))
  }

  async setMany(entries: Iterable<SetEntry>, options?: SetOptions): Promise<void> {
    await this.#parent.setMany(this.#keys.entriesIn(entries), over(this.#defaults, options))
  }

  async getOrSet<T, Previous = T>(
    key: string,
    loader: Loader<T, Previous>,
    options?: GetOrSetOptions,
  ): Promise<T> {
    return this.#loads.getOrSet(key, loader, over(this.#defaults, options))
  }

  async getOrSetMany<R extends ManyValues>(
    keys: readonly string[],
    loader: ManyLoader<R>,
    options?: GetOrSetOptions,
  ): Promise<LoadedMany<R>> {
    return this.#loads.getOrSetMany(keys, loader, over(this.#defaults, options)) as Promise<LoadedMany<R>>
  }

  wrap<F extends AsyncFunction>(fn: F, options: WrapOptions<Parameters<F>>): Wrapped<F> {
    return wrapFunction(this, fn, options)
  }

  async add(key: string, value: unknown, options?: SetOptions): Promise<boolean> {
    return this.#parent.add(this.#keys.in(key), value, over(this.#defaults, options))
  }

  async take<T = unknown>(key: string, options?: CallOptions): Promise<T | undefined> {
    return this.#fit(key, await this.#parent.take<T>(this.#keys.in(key), options))
  }

  async increment(key: string, options?: IncrementOptions): Promise<number> {
    return this.#parent.increment(this.#keys.in(key), over(this.#defaults, options))
  }

  async compareAndSet(
    key: string,
    version: Version | undefined,
    value: unknown,
    options?: SetOptions,
  ): Promise<boolean> {
    return this.#parent.compareAndSet(this.#keys.in(key), version, value, over(this.#defaults, options))
  }

  async delete(key: string, options?: CallOptions): Promise<boolean> {
    return this.#parent.delete(this.#keys.in(key), options)
  }

  async deleteMany(keys: readonly string[], options?: CallOptions): Promise<boolean[]> {
    return this.#parent.deleteMany(this.#keys.allIn(keys), options)
  }

  async invalidate(keys: string | readonly string[], options?: CallOptions): Promise<void> {
    await this.#parent.invalidate(this.#keys.allIn(typeof keys === 'string' ? [keys] : keys), options)
  }

  async invalidateTags(tags: string | readonly string[], options?: CallOptions): Promise<void> {
    await this.#parent.invalidateTags(tags, options)
  }

  async deleteByPrefix(prefix: string, options?: CallOptions): Promise<void> {
    await this.#parent.deleteByPrefix(this.#keys.prefixIn(prefix), options)
  }

  async clear(options?: CallOptions): Promise<void> {
    await this.#parent.deleteByPrefix(this.#prefix, options)
  }

  async touch(key: string, ttl: Duration | null, options?: CallOptions): Promise<boolean> {
    return this.#parent.touch(this.#keys.in(key), ttl, options)
  }

  async expire(key: string, options?: CallOptions): Promise<boolean> {
    return this.#parent.expire(this.#keys.in(key), options)
  }

  async *keys(options?: ScanOptions): AsyncGenerator<string> {
    for await (const key of this.#parent.keys(this.#keys.scanIn(options))) yield this.#keys.out(key)
  }

  async *entries<T = unknown>(options?: ScanOptions): AsyncGenerator<Entry<T>> {
    for await (const entry of this.#parent.entries<T>(this.#keys.scanIn(options))) {
      const key = this.#keys.out(entry.key)
      const value = this.#fit(key, entry.value)
      if (value !== undefined) yield { ...entry, key, value }
    }
  }

  async withTransaction(tx: TransactionLike): Promise<TransactionCache> {
    const inner = await this.#parent.withTransaction(tx)
    return {
      get: async <T>(key: string) => this.#fit(key, await inner.get<T>(this.#keys.in(key))),
      set: async (key, value, options) => inner.set(this.#keys.in(key), value, over(this.#defaults, options)),
      delete: async (key) => inner.delete(this.#keys.in(key)),
      invalidate: async (keys) =>
        inner.invalidate(this.#keys.allIn(typeof keys === 'string' ? [keys] : keys)),
      invalidateTags: async (tags) => inner.invalidateTags(tags),
      deleteByPrefix: async (prefix) => inner.deleteByPrefix(this.#keys.prefixIn(prefix)),
    }
  }

  async watch(table: string, options: WatchOptions): Promise<void> {
    await this.#parent.watch(table, this.#keys.patternsIn(options))
  }

  unwatch(table: string): Promise<boolean> {
    return this.#parent.unwatch(table)
  }

  watches(): Promise<Watch[]> {
    return this.#parent.watches()
  }

  prune(options?: CallOptions): Promise<number> {
    return this.#parent.prune(options)
  }

  stats(): CacheStats {
    return this.#parent.stats()
  }

  on<E extends keyof CacheEvents>(event: E, listener: CacheListener<E>): () => void {
    return this.#parent.on(event, listener)
  }

  sync(options?: CallOptions): Promise<void> {
    return this.#parent.sync(options)
  }

  /** What is read, as the schema makes it; undefined, as a miss, where it does not fit. */
  #fit<T>(key: string, value: T | undefined): T | undefined {
    return this.#shape === null ? value : (this.#shape.fit(this.#path + key, value) as T | undefined)
  }
}

/** Options over defaults: undefined is left out. */
function over<Defaults extends object, Options extends object>(
  defaults: Defaults,
  options: Options | undefined,
): Defaults & Options {
  const given: { readonly [NAMED]?: object } = checkObject(options === undefined ? {} : options)
  // Properties added to a spread object would take a microsecond each in Node 20.
  const merged = Object.assign({}, defaults) as Record<string | symbol, unknown>
  for (const [name, value] of Object.entries(given)) if (value !== undefined) merged[name] = value
  merged[NAMED] = given[NAMED] ?? given
  return merged as Defaults & Options
}

// Without the separator in names, two namespaces can only meet when one is inside the other.
function checkName(name: unknown): string {
  if (typeof name === 'string' && name !== '' && !name.includes(':')) return name
  throw invalid('name', "a non-empty string without ':', which separates nested namespaces", name)
}
