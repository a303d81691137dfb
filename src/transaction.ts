// The cache inside a transaction of the caller's: what is done here commits or rolls back with it. After the commit this process sees its own
// changes at once, because what they touch goes past the local cache until a sync has seen the transaction end.

import { decodeStored, encodeValue } from './codecs/values.ts'
import { invalid } from './core/check.ts'
import { CacheError, isCacheError } from './core/errors.ts'
import { assertKey, assertKeys, assertPrefix, assertTags } from './core/key.ts'
import type { Reporter } from './events.ts'
import type { Targets } from './memory/bypass.ts'
import type { EntryOptions, ResolvedOptions } from './options.ts'
import type { TransactionStore } from './postgres/transactions.ts'
import { resolveSetEntry } from './set-entries.ts'
import type { Sync } from './sync.ts'
import type { TransactionCache, TransactionLike } from './transaction-cache.ts'
import { toEntryWrite } from './entry-write.ts'

const NOTHING: Targets = { keys: [], tags: [], keyPrefixes: [], tagPrefixes: [] }

export interface TransactionParts {
  readonly sync: Sync
  readonly reporter: Reporter
  readonly options: ResolvedOptions
}

/** A pool runs each statement on some connection: none would be in the transaction. */
export function assertClient(tx: TransactionLike): TransactionLike {
  if (typeof (tx as Partial<TransactionLike> | null | undefined)?.query !== 'function')
    throw invalid(
      'tx',
      'a client of pg, or an object with `query(text, values)` that resolves to `{ rows }` or to the rows',
      tx,
    )
  if (!('connect' in tx && 'totalCount' in tx)) return tx
  const message =
    'Expected `tx` to be the client that BEGIN was sent on, not a pool: take one with `await pool.connect()`'
  throw new CacheError('invalid-option', message, { option: 'tx' })
}

export class Transaction implements TransactionCache {
  readonly #store: TransactionStore
  readonly #sync: Sync
  readonly #reporter: Reporter
  readonly #options: ResolvedOptions

  constructor(store: TransactionStore, { sync, reporter, options }: TransactionParts) {
    this.#store = store
    this.#sync = sync
    this.#reporter = reporter
    this.#options = options
  }

  async get<T = unknown>(key: string): Promise<T | undefined> {
    assertKey(key)
    const stored = await this.#store.read(key)
    if (stored === null) return undefined
    try {
      return decodeStored(this.#options, { key, ...stored }) as T
    } catch (error) {
      // A miss, as everywhere: another release may have stored it.
      if (!isCacheError(error)) throw error
      this.#reporter.report('error', { error, operation: 'decode' })
      return undefined
    }
  }

  async set(key: string, value: unknown, options?: EntryOptions): Promise<void> {
    const entry = resolveSetEntry([key, value], options, this.#options)
    const encoded = encodeValue(this.#options, key, value)
    this.#follow(await this.#store.set(toEntryWrite(key, encoded, entry, null)), { ...NOTHING, keys: [key] })
  }

  async delete(key: string): Promise<void> {
    await this.invalidate(key)
  }

  async invalidate(keys: string | readonly string[]): Promise<void> {
    const list = typeof keys === 'string' ? [keys] : keys
    assertKeys(list)
    if (list.length === 0) return
    const txid = await this.#store.append(
      list.map((key) => `k${key}`),
      [],
    )
    this.#follow(txid, { ...NOTHING, keys: list })
  }

  async invalidateTags(tags: string | readonly string[]): Promise<void> {
    const list = assertTags(typeof tags === 'string' ? [tags] : tags)
    if (list.length === 0) return
    const txid = await this.#store.append(
      list.map((tag) => `t${tag}`),
      [],
    )
    this.#follow(txid, { ...NOTHING, tags: list })
  }

  async deleteByPrefix(prefix: string): Promise<void> {
    assertPrefix(prefix)
    this.#follow(await this.#store.append([], [`k${prefix}`]), { ...NOTHING, keyPrefixes: [prefix] })
  }

  #follow(txid: string, targets: Targets): void {
    this.#sync.follow(txid, targets)
  }
}
