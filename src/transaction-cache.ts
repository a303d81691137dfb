// What a caller's transaction has to offer, and what a cache does inside it.

import type { EntryOptions } from './options.ts'

/** The part of a `pg` client that withTransaction uses. Other libraries resolve to the rows themselves, as objects. */
export interface TransactionLike {
  query(text: string, values: (string | number | null)[]): PromiseLike<{ rows: unknown[] } | unknown[]>
}

/** What withTransaction returns. Usable until the transaction ends; then calls reject with `transaction-ended`. */
export interface TransactionCache {
  /** As the transaction sees it: its own changes, and in REPEATABLE READ the same as its rows. */
  get<T = unknown>(key: string): Promise<T | undefined>
  /**
   * Stored when the transaction commits. Where another transaction has written the key since withTransaction was
   * called, or keeps holding it for more than 100 ms, the key is invalidated instead.
   */
  set(key: string, value: unknown, options?: EntryOptions): Promise<void>
  delete(key: string): Promise<void>
  invalidate(keys: string | readonly string[]): Promise<void>
  invalidateTags(tags: string | readonly string[]): Promise<void>
  deleteByPrefix(prefix: string): Promise<void>
}

/** The same of a namespace with a schema: its values are of one type. */
export interface TypedTransaction<T> extends Omit<TransactionCache, 'get' | 'set'> {
  get(key: string): Promise<T | undefined>
  set(key: string, value: T, options?: EntryOptions): Promise<void>
}
