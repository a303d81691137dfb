// How we talk to Postgres: one statement at a time on a connection of a pool, with a deadline, as raw text rows.
// It does not retry and knows no SQL of the store. The types are the part of pg that is used; a type test proves that pg fits.

import { StatementTimeout, sqlStateOf } from './failures.ts'
import { type QueryCallback, RawQuery } from './raw-query.ts'

/** Name and text of a statement that is built once. */
export interface Statement {
  readonly name: string
  readonly text: string
}

export type Row = readonly (string | null)[]

export interface DriverClient {
  /**
   * With a callback: pg's promises keep every result reachable until two collections later, which cost a third of the
   * throughput of batched reads (114 against 135 thousand keys a second; Node 20, pg 8.23, 2 cores, 2026-11-22).
   */
  query(statement: { text: string; values?: unknown[] }, callback: QueryCallback): void
  on(event: 'error', listener: (error: Error) => void): unknown
  off(event: 'error', listener: (error: Error) => void): unknown
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
  /** When each connection was first used, counted in retirements. */
  readonly #firstUsed = new WeakMap<DriverClient, number>()
  #retirements = 0
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

  /**
   * The address may lead to another server now: connections that were used before are closed instead of being used
   * again.
   */
  retireConnections(): void {
    this.#retirements++
  }

  async query(statement: Statement, values: unknown[] = []): Promise<Row[]> {
    // Another statement may find out first, while this one is under way.
    const isPrepared = this.#prepare
    try {
      return await this.#run(statement, values)
    } catch (error) {
      if (!isPrepared || !NO_PREPARED_STATEMENTS.has(sqlStateOf(error) ?? '')) throw error
      this.#prepare = false
      return this.#run(statement, values)
    }
  }

  /** Several statements on one connection, in a transaction, without the statement deadline: migrations. */
  async transaction<T>(
    work: (query: (text: string, values?: unknown[]) => Promise<Row[]>) => Promise<T>,
  ): Promise<T> {
    const client = await this.#connect()
    const query = (text: string, values: unknown[] = []): Promise<Row[]> =>
      send(client, request({ name: '', text }, values, false), null)
    let failed = true
    try {
      await query(BEGIN)
      const result = await work(query)
      await query(COMMIT)
      failed = false
      return result
    } finally {
      giveBack(client, failed)
    }
  }

  async #run(statement: Statement, values: unknown[]): Promise<Row[]> {
    const client = await this.#connect()
    let failed = false
    try {
      const sent =
        this.#prepare && RawQuery.suits(client)
          ? new RawQuery(statement, values)
          : request(statement, values, this.#prepare)
      if (!this.#ownTransactions) return await send(client, sent, this.#timeoutMs)
      await send(client, { text: BEGIN }, this.#timeoutMs)
      const rows = await send(client, sent, this.#timeoutMs)
      await send(client, { text: COMMIT }, this.#timeoutMs)
      return rows
    } catch (error) {
      // A statement that the server refused leaves a usable connection, unless it left a transaction open.
      failed = sqlStateOf(error) === undefined || this.#ownTransactions
      throw error
    } finally {
      giveBack(client, failed)
    }
  }

  #connect(): Promise<DriverClient> {
    return new Promise((resolve, reject) => {
      let isLate = false
      const timer = setTimeout(() => {
        isLate = true
        reject(new StatementTimeout(this.#timeoutMs))
      }, this.#timeoutMs)
      const settle = (client: DriverClient): void => {
        clearTimeout(timer)
        if (isLate) return client.release()
        if (this.#isRetired(client)) {
          client.release(true)
          return resolve(this.#connect())
        }
        client.on('error', toldByStatement)
        resolve(client)
      }
      this.#pool.connect().then(settle, (error: unknown) => {
        clearTimeout(timer)
        reject(error)
      })
    })
  }

  #isRetired(client: DriverClient): boolean {
    const firstUsed = this.#firstUsed.get(client)
    if (firstUsed === undefined) this.#firstUsed.set(client, this.#retirements)
    return firstUsed !== undefined && firstUsed < this.#retirements
  }
}

// A connection that breaks under a statement fails the statement and emits an event besides, which would end the
// process: pool and client leave it to whoever has checked the client out.
function toldByStatement(): void {}

function giveBack(client: DriverClient, failed: boolean): void {
  client.off('error', toldByStatement)
  client.release(failed)
}

const BEGIN = 'begin isolation level read committed'
const COMMIT = 'commit'

export interface Request {
  readonly name?: string
  readonly text: string
  values?: unknown[]
}

export function request({ name, text }: Statement, values: unknown[], prepare: boolean): Request {
  const unnamed = { text, values, rowMode: 'array', types: RAW_TYPES }
  return prepare ? { name, ...unnamed } : unnamed
}

/** Rejects with a StatementTimeout after `ms`; null: waits for as long as it takes. */
export function send(
  client: Pick<DriverClient, 'query'>,
  statement: Request,
  ms: number | null,
): Promise<Row[]> {
  return new Promise((resolve, reject) => {
    const timer = ms === null ? undefined : setTimeout(() => reject(new StatementTimeout(ms)), ms)
    client.query(statement, (error, result) => {
      clearTimeout(timer)
      // pg passes null where its types promise an error.
      if (error as Error | null) reject(error)
      else resolve(result.rows as Row[])
    })
  })
}
