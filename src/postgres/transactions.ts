// Statements on a connection of the caller's, inside the caller's transaction. Values go as text, so that any driver with a query(text, values)
// can carry them.

import { invalid } from '../core/check.ts'
import { CacheError } from '../core/errors.ts'
import type { StoredContent } from '../core/entry.ts'
import { toArrayLiteral } from './binary-array.ts'
import type { Names } from './names.ts'
import type { EntryWrite } from './store.ts'

/** The part of a pg client that is used. Others resolve to the rows themselves. */
export interface TransactionClient {
  query(text: string, values: Parameter[]): PromiseLike<{ rows: unknown[] } | unknown[]>
}

type Parameter = string | number | null

interface ReadRow {
  /** As text: a client may parse booleans in a way of its own. */
  readonly found: string
  readonly value: string | null
  readonly bytes: string | null
  readonly codec: string | null
}

// The same value in every statement of a transaction, and another one in the next.
const STARTED = '(extract(epoch from transaction_timestamp()) * 1000000)::bigint::text'

export class TransactionStore {
  readonly #tx: TransactionClient
  readonly #names: Names
  readonly #snapshot: string
  readonly #started: string

  private constructor(tx: TransactionClient, names: Names, snapshot: string, started: string) {
    this.#tx = tx
    this.#names = names
    this.#snapshot = snapshot
    this.#started = started
  }

  /** Takes the snapshot that fences what is set in this transaction. */
  static async begin(tx: TransactionClient, names: Names): Promise<TransactionStore> {
    const rows = await query(tx, `select pg_current_snapshot()::text as snapshot, ${STARTED} as started`, [])
    const row = rows[0] as { snapshot?: unknown; started?: unknown } | undefined
    if (typeof row?.snapshot !== 'string' || typeof row.started !== 'string') throw wrongResult(rows)
    return new TransactionStore(tx, names, row.snapshot, row.started)
  }

  /** A fresh, valid entry as the transaction sees it. */
  async read(key: string): Promise<StoredContent | null> {
    const rows = await query(
      this.#tx,
      `select (e.key is not null)::text as found, e.value, encode(e.bytes, 'hex') as bytes, e.codec
from (select 1) as one
left join ${this.#names.object('valid_entries')} as e on e.key = $1::text and e.fresh_until > statement_timestamp()
where ${STARTED} = $2::text`,
      [key, this.#started],
    )
    const row = rows[0] as ReadRow | undefined
    if (row === undefined) throw ended()
    if (row.found !== 'true') return null
    return {
      text: row.value,
      bytes: row.bytes === null ? null : Buffer.from(row.bytes, 'hex'),
      codec: row.codec,
    }
  }

  /** Returns the id of the transaction. `targets` and `prefixes` carry 'k' or 't' in front. */
  async append(targets: readonly string[], prefixes: readonly string[]): Promise<string> {
    const call = `${this.#names.object('append_invalidations')}($1::text[], $2::text[])`
    return this.#run(`select case when ${STARTED} = $3::text then ${call} end as txid`, [
      toArrayLiteral(targets),
      toArrayLiteral(prefixes),
      this.#started,
    ])
  }

  /** Stores, or invalidates the key where something that the snapshot cannot see has written it. */
  async set({ key, text, bytes, codec, tags, freshMs, keepMs }: EntryWrite): Promise<string> {
    return this.#run(
      `select s.txid from ${this.#names.object('set_in_transaction')}(
  $1::pg_snapshot, $2::text, $3::text, decode($4::text, 'hex'), $5::text, $6::text[], $7::float8, $8::float8
) as s where ${STARTED} = $9::text`,
      [
        this.#snapshot,
        key,
        text,
        bytes === null ? null : Buffer.from(bytes).toString('hex'),
        codec,
        tags.length === 0 ? null : toArrayLiteral(tags),
        freshMs,
        keepMs,
        this.#started,
      ],
    )
  }

  async #run(text: string, values: Parameter[]): Promise<string> {
    const rows = await query(this.#tx, text, values)
    const txid = (rows[0] as { txid: string | null } | undefined)?.txid
    if (txid != null) return txid
    throw ended()
  }
}

async function query(tx: TransactionClient, text: string, values: Parameter[]): Promise<unknown[]> {
  const result: unknown = await tx.query(text, values)
  const rows = Array.isArray(result) ? result : (result as { rows?: unknown } | null | undefined)?.rows
  if (Array.isArray(rows)) return rows
  throw wrongResult(result)
}

function wrongResult(result: unknown): CacheError {
  const rule =
    'an object whose `query(text, values)` resolves to `{ rows }` or to the rows, which are objects'
  return invalid('tx', rule, result)
}

function ended(): CacheError {
  return new CacheError(
    'transaction-ended',
    'the transaction of this withTransaction() has ended, or none was begun: call it after BEGIN, and use what it returns before COMMIT',
  )
}
