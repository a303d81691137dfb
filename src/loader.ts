// What callers hand over to be called when something is missing: loaders, what they are told, and wrapped functions.

import type { EntryOptions, LocalChoice, ReadThroughOptions, StaleChoice } from './options.ts'

/** Loads the value of a missing key. Its result, or the promise's, is stored; what it throws rejects the call. */
export type Loader<T, Previous = T> = (context: LoadContext<Previous>) => T | PromiseLike<T>

export interface LoadContext<Previous = unknown> {
  readonly key: string
  /** Aborted at the deadline of the load, and by the caller's own signal when nobody else waits for this load. */
  readonly signal: AbortSignal
  /** The value that is about to be replaced, where there is one: a stale one, or any with `force`. */
  readonly previous: Previous | undefined
  /** Changes what is kept beside the value: for a ttl or tags that only the loaded data tells. They replace those of the call. */
  readonly set: (options: EntryOptions) => void
  /** Returns `value` unchanged; if the loader returns it, the callers get it and nothing is stored. */
  readonly skip: <V>(value: V) => V
  /**
   * Returns `previous`; if the loader returns it, it is stored as it is for another ttl, with its tags. Throws
   * `invalid-value` where there is no previous value.
   */
  readonly notModified: () => Previous
}

/** Values in the order of the missing keys, or by key those that exist. */
export type ManyValues = readonly unknown[] | ReadonlyMap<string, unknown>

/** What getOrSetMany resolves to: keys that a Map leaves out are undefined. */
export type LoadedMany<R extends ManyValues> =
  R extends ReadonlyMap<string, infer T> ? (T | undefined)[] : R extends readonly (infer T)[] ? T[] : never

/** Loads the values of the missing keys. */
export type ManyLoader<R extends ManyValues = ManyValues> = (
  missing: readonly string[],
  context: ManyLoadContext,
) => R | PromiseLike<R>

/** As {@link LoadContext}, for all keys of one load. */
export interface ManyLoadContext {
  /** Aborted at the deadline of the load, and when every caller that waits for one of its keys has given up. */
  readonly signal: AbortSignal
  /** The values that are about to be replaced, where there are any. */
  readonly previous: ReadonlyMap<string, unknown>
  /** Changes what is kept beside the value of `key`, or beside all values of this load. */
  readonly set: (options: EntryOptions, key?: string) => void
  /** Returns `value` unchanged; wherever it is among what the loader returns, it is handed out and not stored. */
  readonly skip: <V>(value: V) => V
  /** Returns the previous value of the key; in its place among what the loader returns, it is stored for another ttl. */
  readonly notModified: (key: string) => unknown
}

// oxlint-disable-next-line typescript/no-explicit-any -- of whatever parameters: unknown ones would match no function
export type AsyncFunction<T = unknown> = (...args: any[]) => Promise<T>

export type WrapOptions<Args extends readonly unknown[]> = Omit<
  ReadThroughOptions,
  'signal' | 'fresh' | 'force'
> &
  LocalChoice &
  StaleChoice &
  WrapKey<Args>

interface WrapKey<Args extends readonly unknown[]> {
  /** The key for these arguments. Calls with one key share an entry, so it has to tell apart all that differ. */
  readonly key: (...args: Args) => string
}

/** The function, called at most once per key and miss. Its type is that of the function it was made from. */
export type Wrapped<F extends AsyncFunction> = F & {
  /** Invalidates the entry for these arguments. */
  readonly invalidate: (...args: Parameters<F>) => Promise<void>
  /** Calls the function now, whatever is stored, and stores what it returns. */
  readonly refresh: F
}
