// How we talk to Postgres: one statement at a time on a connection of a pool, with a deadline, as raw text rows.
// It repeats nothing but a read whose connection broke, and knows no SQL of the store.

import { setImmediate as nextTurn } from 'node:timers/promises'
import { cancelStatement } from './cancel.ts'
import { Connections, type DriverClient, type DriverPool, type PoolConnection } from './connections.ts'
import { Deadlines } from './deadlines.ts'
import { isBreak, StatementTimeout, sqlStateOf } from './failures.ts'
import { RawQuery } from './raw-query.ts'

/** Name and text of a statement that is built once. */
export interface Statement {
  readonly name: string
  readonly text: string
}

export type Row = readonly (string | null)[]

export interface DriverOptions {
  readonly queryTimeoutMs: number
  readonly prepare: boolean
}

// read_only_sql_transaction: as long as a connection lasts it may lead to what is a standby by now, or keep a default that was reset.
const READ_ONLY = '25006'
// A server that really is read-only is not to be asked for a new connection by each write.
const RENEWAL_MS = 1_000

// Named statements over a pooler in transaction mode that does not track them.
const NO_PREPARED_STATEMENTS = new Set(['26000', '42P05'])

const RAW_TYPES = {
  getTypeParser:
    () =>
    (text: string): string =>
      text,
}

export class Driver {
  readonly #deadlines: Deadlines
  readonly #connections: Connections
  #prepare: boolean
  #ownTransactions = false
  #renewedAt = -Infinity

  constructor(pool: DriverPool, { queryTimeoutMs, prepare }: DriverOptions) {
    this.#deadlines = new Deadlines(queryTimeoutMs)
    this.#connections = new Connections(pool, this.#deadlines)
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
    this.#connections.retire()
  }

  /** Gives back every connection that no statement is under way on, and from now on the others after theirs. */
  close(): void {
    this.#connections.close()
    this.#deadlines.close()
  }

  query(statement: Statement, values: unknown[] = []): Promise<Row[]> {
    return this.#query(statement, values, false)
  }

  /**
   * As query, of what changes nothing: once more where the connection breaks under it. A process that stood still, or whose connections were ended, finds
   * out by its first statement, and should not miss for it.
   */
  read(statement: Statement, values: unknown[]): Promise<Row[]> {
    return this.#query(statement, values, true)
  }

  /** Several statements on one connection, in a transaction, without the statement deadline: migrations. */
  async transaction<T>(
    work: (query: (text: string, values?: unknown[]) => Promise<Row[]>) => Promise<T>,
  ): Promise<T> {
    const connection = await this.#connections.take()
    const query = (text: string, values: unknown[] = []): Promise<Row[]> =>
      send(connection.client, request({ name: '', text }, values, false), null)
    let isUsable = false
    try {
      await query(BEGIN)
      const result = await work(query)
      await query(COMMIT)
      isUsable = true
      return result
    } finally {
      connection.release(isUsable)
    }
  }

  async #query(statement: Statement, values: unknown[], mayRepeat: boolean): Promise<Row[]> {
    // Another statement may find out first, while this one is under way.
    const isPrepared = this.#prepare
    try {
      return await this.#run(statement, values, mayRepeat)
    } catch (error) {
      if (!isPrepared || !NO_PREPARED_STATEMENTS.has(sqlStateOf(error) ?? '')) throw error
      this.#prepare = false
      return this.#run(statement, values, mayRepeat)
    }
  }

  async #run(statement: Statement, values: unknown[], mayRepeat: boolean): Promise<Row[]> {
    const connection = await this.#connections.take()
    const sent =
      this.#prepare && connection.takesRaw
        ? new RawQuery(statement, values)
        : request(statement, values, this.#prepare)
    let isUsable = true
    let cancelled: Promise<void> | undefined
    try {
      if (!this.#ownTransactions) return await this.#send(connection, sent)
      await this.#send(connection, { text: BEGIN })
      const rows = await this.#send(connection, sent)
      await this.#send(connection, { text: COMMIT })
      return rows
    } catch (error) {
      // A statement that the server refused leaves a usable connection, unless it left a transaction open.
      isUsable = sqlStateOf(error) !== undefined && !this.#ownTransactions
      if (sqlStateOf(error) === READ_ONLY) this.#renew()
      if (error instanceof StatementTimeout) cancelled = cancelStatement(connection.client)
      if (!mayRepeat || !isBreak(error)) throw error
    } finally {
      if (cancelled === undefined) this.#connections.giveBack(connection, isUsable)
      else void this.#connections.breakAfter(cancelled, connection)
    }
    // Others that have broken with it are known by then.
    await nextTurn()
    return this.#run(statement, values, false)
  }

  #renew(): void {
    const now = performance.now()
    if (now < this.#renewedAt + RENEWAL_MS) return
    this.#renewedAt = now
    this.retireConnections()
  }

  #send({ client }: PoolConnection, statement: Request): Promise<Row[]> {
    return new Promise((resolve, reject) => {
      const deadline = this.#deadlines.begin(() => reject(new StatementTimeout(this.#deadlines.ms)))
      client.query(statement, (error, result) => {
        this.#deadlines.end(deadline)
        // pg passes null where its types promise an error.
        if (error as Error | null) reject(error)
        else resolve(result.rows as Row[])
      })
    })
  }
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
