// A part of a cache under a prefix of its own, with the same interface. It owns nothing: connections belong to the cache that it was made from.

import type { Cache, CacheStats, TransactionCache, TransactionLike, Watch } from './contract.ts'
import type { Duration } from './core/duration.ts'
import { CacheError } from './core/errors.ts'
import type { Entry, Version } from './core/entry.ts'
import { expected } from './core/expected.ts'
import { assertKey } from './core/key.ts'
import type { CacheEvents, CacheListener } from './events.ts'
import type {
  AsyncFunction,
  LoadContext,
  LoadedMany,
  Loader,
  ManyLoader,
  ManyValues,
  Wrapped,
  WrapOptions,
} from './loader.ts'
import type {
  CallOptions,
  EntryOptions,
  GetOptions,
  GetOrSetOptions,
  IncrementOptions,
  ScanOptions,
  SetEntry,
  SetOptions,
  WatchOptions,
} from './options.ts'
import { wrapFunction } from './wrap.ts'

export class Namespace implements Cache {
  readonly #parent: Cache
  readonly #prefix: string
  readonly #defaults: EntryOptions

  constructor(parent: Cache, name: string, defaults: EntryOptions) {
    this.#parent = parent
    this.#prefix = `${checkName(name)}:`
    this.#defaults = defaults
  }

  namespace(name: string, defaults: EntryOptions = {}): Cache {
    return new Namespace(this, name, { ...this.#defaults, ...defaults })
  }

  connect(options?: CallOptions): Promise<void> {
    return this.#parent.connect(options)
  }

  /** Nothing: the cache that it was made from is closed by its owner. */
  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}

  get<T = unknown>(key: string, options?: GetOptions): Promise<T | undefined> {
    return this.#parent.get<T>(this.#in(key), options)
  }

  async has(key: string, options?: GetOptions): Promise<boolean> {
    return this.#parent.has(this.#in(key), options)
  }

  async getMany<T = unknown>(keys: readonly string[], options?: GetOptions): Promise<(T | undefined)[]> {
    return this.#parent.getMany<T>(this.#allIn(keys), options)
  }

  async getEntry<T = unknown>(key: string, options?: CallOptions): Promise<Entry<T> | undefined> {
    const entry = await this.#parent.getEntry<T>(this.#in(key), options)
    return entry && { ...entry, key }
  }

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller's claim, as in get
  peek<T = unknown>(key: string): T | undefined {
    return this.#parent.peek<T>(this.#prefix + key)
  }

  async set(key: string, value: unknown, options?: SetOptions): Promise<void> {
    await this.#parent.set(this.#in(key), value, { ...this.#defaults, ...options })
  }

  async setMany(entries: Iterable<SetEntry>, options?: SetOptions): Promise<void> {
    const inside = Array.from(entries, (entry): SetEntry => {
      if (!('key' in entry)) return [this.#in(entry[0]), entry[1]]
      return { ...entry, key: this.#in(entry.key) }
    })
    await this.#parent.setMany(inside, { ...this.#defaults, ...options })
  }

  async getOrSet<T, Previous = T>(
    key: string,
    loader: Loader<T, Previous>,
    options?: GetOrSetOptions,
  ): Promise<T> {
    const outside = (context: LoadContext<Previous>): T | PromiseLike<T> => loader({ ...context, key })
    return this.#parent.getOrSet<T, Previous>(this.#in(key), outside, { ...this.#defaults, ...options })
  }

  async getOrSetMany<R extends ManyValues>(
    keys: readonly string[],
    loader: ManyLoader<R>,
    options?: GetOrSetOptions,
  ): Promise<LoadedMany<R>> {
    const outside: ManyLoader<readonly unknown[]> = async (missing, context) => {
      const inner = missing.map((key) => this.#out(key))
      const loaded = await loader(inner, {
        ...context,
        previous: new Map(Array.from(context.previous, ([key, value]) => [this.#out(key), value])),
        set: (own, key) => context.set(own, key === undefined ? undefined : this.#in(key)),
        notModified: (key) => context.notModified(this.#in(key)),
      })
      return loaded instanceof Map ? inner.map((key) => loaded.get(key)) : (loaded as readonly unknown[])
    }
    const values = await this.#parent.getOrSetMany(this.#allIn(keys), outside, {
      ...this.#defaults,
      ...options,
    })
    return values as LoadedMany<R>
  }

  wrap<F extends AsyncFunction>(fn: F, options: WrapOptions<Parameters<F>>): Wrapped<F> {
    return wrapFunction(this, fn, options)
  }

  async add(key: string, value: unknown, options?: SetOptions): Promise<boolean> {
    return this.#parent.add(this.#in(key), value, { ...this.#defaults, ...options })
  }

  async take<T = unknown>(key: string, options?: CallOptions): Promise<T | undefined> {
    return this.#parent.take<T>(this.#in(key), options)
  }

  async increment(key: string, options?: IncrementOptions): Promise<number> {
    return this.#parent.increment(this.#in(key), { ...this.#defaults, ...options })
  }

  async compareAndSet(
    key: string,
    version: Version | undefined,
    value: unknown,
    options?: SetOptions,
  ): Promise<boolean> {
    return this.#parent.compareAndSet(this.#in(key), version, value, { ...this.#defaults, ...options })
  }

  async delete(key: string, options?: CallOptions): Promise<boolean> {
    return this.#parent.delete(this.#in(key), options)
  }

  async deleteMany(keys: readonly string[], options?: CallOptions): Promise<boolean[]> {
    return this.#parent.deleteMany(this.#allIn(keys), options)
  }

  async invalidate(keys: string | readonly string[], options?: CallOptions): Promise<void> {
    await this.#parent.invalidate(this.#allIn(typeof keys === 'string' ? [keys] : keys), options)
  }

  async invalidateTags(tags: string | readonly string[], options?: CallOptions): Promise<void> {
    await this.#parent.invalidateTags(tags, options)
  }

  async deleteByPrefix(prefix: string, options?: CallOptions): Promise<void> {
    await this.#parent.deleteByPrefix(this.#prefix + prefix, options)
  }

  async clear(options?: CallOptions): Promise<void> {
    await this.#parent.deleteByPrefix(this.#prefix, options)
  }

  async touch(key: string, ttl: Duration | null, options?: CallOptions): Promise<boolean> {
    return this.#parent.touch(this.#in(key), ttl, options)
  }

  async expire(key: string, options?: CallOptions): Promise<boolean> {
    return this.#parent.expire(this.#in(key), options)
  }

  async *keys(options?: ScanOptions): AsyncGenerator<string> {
    for await (const key of this.#parent.keys(this.#scan(options))) yield this.#out(key)
  }

  async *entries<T = unknown>(options?: ScanOptions): AsyncGenerator<Entry<T>> {
    for await (const entry of this.#parent.entries<T>(this.#scan(options)))
      yield { ...entry, key: this.#out(entry.key) }
  }

  async withTransaction(tx: TransactionLike): Promise<TransactionCache> {
    const inner = await this.#parent.withTransaction(tx)
    return {
      get: async <T>(key: string) => inner.get<T>(this.#in(key)),
      set: async (key, value, options) => inner.set(this.#in(key), value, { ...this.#defaults, ...options }),
      delete: async (key) => inner.delete(this.#in(key)),
      invalidate: async (keys) => inner.invalidate(this.#allIn(typeof keys === 'string' ? [keys] : keys)),
      invalidateTags: async (tags) => inner.invalidateTags(tags),
      deleteByPrefix: async (prefix) => inner.deleteByPrefix(this.#prefix + prefix),
    }
  }

  async watch(table: string, { keys = [], ...options }: WatchOptions): Promise<void> {
    // Braces in the name are not columns.
    const prefix = this.#prefix.replace(/[{}]/g, '$&$&')
    await this.#parent.watch(table, { ...options, keys: keys.map((key) => prefix + key) })
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

  // Checked by itself: with the prefix in front, an empty key would pass.
  #in(key: string): string {
    assertKey(key)
    return this.#prefix + key
  }

  #allIn(keys: readonly string[]): string[] {
    return keys.map((key) => this.#in(key))
  }

  #out(key: string): string {
    return key.slice(this.#prefix.length)
  }

  #scan(options: ScanOptions = {}): ScanOptions {
    return { ...options, prefix: this.#prefix + (options.prefix ?? '') }
  }
}

// Without the separator in names, two namespaces can only meet when one is inside the other.
function checkName(name: unknown): string {
  if (typeof name === 'string' && name !== '' && !name.includes(':')) return name
  throw new CacheError('invalid-option', expected('name', "a non-empty string without ':'", name), {
    option: 'name',
  })
}
