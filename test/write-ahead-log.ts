// Reads the write-ahead log of a server that nobody else uses.

import pg from 'pg'

export interface WrittenAhead {
  /** Of the records that transactions left, in order; the server writes some of its own from time to time. */
  readonly kinds: readonly string[]
  readonly bytes: number
}

export class WriteAheadLog implements AsyncDisposable {
  readonly #client: pg.Client

  private constructor(client: pg.Client) {
    this.#client = client
  }

  /** Null before PostgreSQL 15, which cannot show it. Needs a superuser. */
  static async open(url: string): Promise<WriteAheadLog | null> {
    const client = new pg.Client(url)
    await client.connect()
    const { rows } = await client.query("select from pg_available_extensions where name = 'pg_walinspect'")
    if (rows.length === 0) {
      await client.end()
      return null
    }
    await client.query('create extension pg_walinspect')
    return new WriteAheadLog(client)
  }

  async during(work: () => Promise<unknown>): Promise<WrittenAhead> {
    const from = await this.#position()
    await work()
    const to = await this.#position()
    if (from === to) return { kinds: [], bytes: 0 }
    // Only what has been written out is shown, which an asynchronous commit need not be: this waits for it.
    await this.#client.query('select pg_switch_wal()')
    const { rows } = await this.#client.query<{ kind: string; bytes: number }>(
      `select resource_manager || ' ' || record_type as kind, record_length as bytes
       from pg_get_wal_records_info($1, $2) where xid::text <> '0'`,
      [from, to],
    )
    return { kinds: rows.map(({ kind }) => kind), bytes: rows.reduce((sum, { bytes }) => sum + bytes, 0) }
  }

  async query(text: string): Promise<unknown[]> {
    return (await this.#client.query({ text, rowMode: 'array' })).rows.map(([value]: unknown[]) => value)
  }

  async #position(): Promise<string> {
    const [position] = await this.query('select pg_current_wal_insert_lsn()::text')
    return position as string
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client.end()
  }
}
