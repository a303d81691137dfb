// What a namespace can be told, and its calls where a schema says of which type its values are.

import type { Entry, Version } from './core/entry.ts'
import type { AsyncFunction, Loader, ManyLoader, Wrapped, WrapOptions } from './loader.ts'
import type {
  CallOptions,
  EntryOptions,
  GetOptions,
  GetOrSetOptions,
  LoadOptions,
  ScanOptions,
  SetEntry,
  SetOptions,
  StaleChoice,
} from './options.ts'
import type { StandardSchema } from './shape.ts'
import type { TransactionLike, TypedTransaction } from './transaction-cache.ts'

/** Defaults of a namespace: what a call leaves out. What they leave out the cache decides. */
export type NamespaceOptions = NamespaceDefaults & StaleChoice

interface NamespaceDefaults extends EntryOptions, LoadOptions {
  /**
   * What the values look like. What is read is validated; what does not fit is a miss and an `error` event, so that a
   * deployment which changes a shape needs no flush. What was just loaded is validated, too; where that does not fit, it
   * is an `error` event, and what the loader returned. It has to validate without a promise.
   * @default none
   */
  readonly schema?: StandardSchema | undefined
}

export type OutputOf<S extends StandardSchema> = S extends StandardSchema<infer Output> ? Output : never

/** The calls of a cache whose values are of one type. */
export interface TypedCalls<T> {
  get(key: string, options?: GetOptions): Promise<T | undefined>
  getMany(keys: readonly string[], options?: GetOptions): Promise<(T | undefined)[]>
  getEntry(key: string, options?: CallOptions): Promise<Entry<T> | undefined>
  peek(key: string): T | undefined
  entries(options?: ScanOptions): AsyncIterable<Entry<T>>
  take(key: string, options?: CallOptions): Promise<T | undefined>
  getOrSet(key: string, loader: Loader<T>, options?: GetOrSetOptions): Promise<T>
  /** A loader may find nothing: `undefined` is handed out and not stored. */
  getOrSet(key: string, loader: Loader<T | undefined, T>, options?: GetOrSetOptions): Promise<T | undefined>
  getOrSetMany(
    keys: readonly string[],
    loader: ManyLoader<readonly T[] | ReadonlyMap<string, T>>,
    options?: GetOrSetOptions,
  ): Promise<(T | undefined)[]>
  set(key: string, value: T, options?: SetOptions): Promise<void>
  setMany(entries: Iterable<SetEntry<T>>, options?: SetOptions): Promise<void>
  add(key: string, value: T, options?: SetOptions): Promise<boolean>
  compareAndSet(key: string, version: Version | undefined, value: T, options?: SetOptions): Promise<boolean>
  wrap<F extends AsyncFunction<T | undefined>>(fn: F, options: WrapOptions<Parameters<F>>): Wrapped<F>
  withTransaction(tx: TransactionLike): Promise<TypedTransaction<T>>
}
