// How we talk to Postgres: one statement at a time on a connection of a pool, with a deadline, as raw text rows.
// It does not retry and knows no SQL of the store. The types are the part of pg that is used; a type test proves that pg fits.

import { StatementTimeout, sqlStateOf } from './failures.ts'

/** Name and text of a statement that is built once. */
export interface Statement {
  readonly name: string
  readonly text: string
}

export type Row = readonly (string | null)[]

export interface DriverClient {
  query(statement: object): Promise<{ rows: unknown[] }>
  release(error?: Error | boolean): void
}

export interface DriverPool {
  connect(): Promise<DriverClient>
}

export interface DriverOptions {
  readonly queryTimeoutMs: number
  readonly prepare: boolean
}

// Named statements over a pooler in transaction mode that does not track them.
const NO_PREPARED_STATEMENTS = new Set(['26000', '42P05'])

const RAW_TYPES = {
  getTypeParser:
    () =>
    (text: string): string =>
      text,
}

export class Driver {
  readonly #pool: DriverPool
  readonly #timeoutMs: number
  #prepare: boolean
  #ownTransactions = false

  constructor(pool: DriverPool, { queryTimeoutMs, prepare }: DriverOptions) {
    this.#pool = pool
    this.#timeoutMs = queryTimeoutMs
    this.#prepare = prepare
  }

  /**
   * For servers whose default isolation is not READ COMMITTED: every statement then runs in a transaction that says so.
   * Setting the default on a connection would leak into whoever shares the pool or the pooler.
   */
  useExplicitIsolation(): void {
    this.#ownTransactions = true
  }

  async query(statement: Statement, values: unknown[] = []): Promise<Row[]> {
    try {
      return await this.#run(statement, values)
    } catch (error) {
      if (!this.#prepare || !NO_PREPARED_STATEMENTS.has(sqlStateOf(error) ?? '')) throw error
      this.#prepare = false
      return this.#run(statement, values)
    }
  }

  /** Several statements on one connection, in a transaction, without the statement deadline: migrations. */
  async transaction<T>(
    work: (query: (text: string, values?: unknown[]) => Promise<Row[]>) => Promise<T>,
  ): Promise<T> {
    const client = await this.#connect()
    let failed: Error | undefined
    try {
      await client.query({ text: 'begin isolation level read committed' })
      const result = await work(async (text, values = []) =>
        rowsOf(await client.query(request({ name: '', text }, values, false))),
      )
      await client.query({ text: 'commit' })
      return result
    } catch (error) {
      failed = error instanceof Error ? error : new Error(String(error))
      throw error
    } finally {
      client.release(failed)
    }
  }

  async #run(statement: Statement, values: unknown[]): Promise<Row[]> {
    const client = await this.#connect()
    let failed = false
    try {
      const sent = this.#ownTransactions
        ? this.#inTransaction(client, statement, values)
        : client.query(request(statement, values, this.#prepare))
      return rowsOf(await withDeadline(sent, this.#timeoutMs))
    } catch (error) {
      // A statement that the server refused leaves a usable connection, unless it left a transaction open.
      failed = sqlStateOf(error) === undefined || this.#ownTransactions
      throw error
    } finally {
      client.release(failed)
    }
  }

  async #inTransaction(
    client: DriverClient,
    statement: Statement,
    values: unknown[],
  ): Promise<{ rows: unknown[] }> {
    await client.query({ text: 'begin isolation level read committed' })
    const result = await client.query(request(statement, values, this.#prepare))
    await client.query({ text: 'commit' })
    return result
  }

  async #connect(): Promise<DriverClient> {
    return withDeadline(this.#pool.connect(), this.#timeoutMs, (late) => {
      late.then(
        (client) => client.release(),
        () => {},
      )
    })
  }
}

function request({ name, text }: Statement, values: unknown[], prepare: boolean): object {
  return prepare
    ? { name, text, values, rowMode: 'array', types: RAW_TYPES }
    : { text, values, rowMode: 'array', types: RAW_TYPES }
}

function rowsOf(result: { rows: unknown[] }): Row[] {
  return result.rows as Row[]
}

async function withDeadline<T>(
  work: Promise<T>,
  ms: number,
  abandon?: (late: Promise<T>) => void,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      if (abandon) abandon(work)
      else work.catch(() => {})
      reject(new StatementTimeout(ms))
    }, ms)
  })
  try {
    return await Promise.race([work, deadline])
  } finally {
    clearTimeout(timer)
  }
}
