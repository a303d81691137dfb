// Connections of a pool, each kept for a moment after its statement: what follows finds it at hand, which saves this process a sixth of its work on a
// statement of one key (docs/architecture.md). The types are the part of pg that is used.

import { closedError } from '../core/errors.ts'
import type { Deadlines } from './deadlines.ts'
import { NoConnection } from './failures.ts'
import { type QueryCallback, RawQuery } from './raw-query.ts'

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
  /** How long a connection may be kept unused, in milliseconds; 0: to the end of the next turn of the event loop, because others want it. */
  readonly keepMs: number
  /** Whether others wait for a connection. */
  readonly isWanted: () => boolean
  /** One that is kept has broken. */
  readonly onIdleError: (error: Error) => void
  connect(): Promise<DriverClient>
}

/** One that is checked out. */
export class PoolConnection {
  readonly client: DriverClient
  /** Whether it takes raw queries. */
  readonly takesRaw: boolean
  /** Counted in retirements. */
  readonly generation: number
  /** No statement is under way on it. */
  isKept = false
  /** Nothing was sent since it was last looked at. */
  rests = false
  isBroken = false
  readonly #onIdleError: (error: Error) => void

  constructor(client: DriverClient, generation: number, onIdleError: (error: Error) => void) {
    this.client = client
    this.takesRaw = RawQuery.suits(client)
    this.generation = generation
    this.#onIdleError = onIdleError
    client.on('error', this.#break)
  }

  release(isUsable: boolean): void {
    this.client.off('error', this.#break)
    this.client.release(!isUsable || this.isBroken)
  }

  // A connection that breaks under a statement fails the statement and emits an event besides, which would end the process: pool and client leave it to
  // whoever has checked it out.
  readonly #break = (error: Error): void => {
    if (this.isKept && !this.isBroken) this.#onIdleError(error)
    this.isBroken = true
  }
}

export class Connections {
  readonly #pool: DriverPool
  readonly #deadlines: Deadlines
  /** The one that was used last comes last. */
  #kept: PoolConnection[] = []
  #isWatching = false
  #timer: NodeJS.Timeout | undefined
  #isClosed = false
  /** Those who wait for the pool. */
  #waiting = 0
  #retirements = 0
  /** When each was first used, counted in retirements. */
  readonly #firstUsed = new WeakMap<DriverClient, number>()

  constructor(pool: DriverPool, deadlines: Deadlines) {
    this.#pool = pool
    this.#deadlines = deadlines
  }

  /** Those that were used before are closed instead of being used again. */
  retire(): void {
    this.#retirements++
  }

  /** Rejects with NoConnection where none is free in time, throws `closed`. */
  take(): PoolConnection | Promise<PoolConnection> {
    if (this.#isClosed) throw closedError()
    for (let kept = this.#kept.pop(); kept !== undefined; kept = this.#kept.pop()) {
      kept.isKept = false
      kept.rests = false
      if (!kept.isBroken && kept.generation === this.#retirements) return kept
      kept.release(false)
    }
    return this.#checkOut()
  }

  giveBack(connection: PoolConnection, isUsable: boolean): void {
    // Who waits is served by the pool.
    const isWanted = this.#waiting > 0 || this.#pool.isWanted()
    if (!isUsable || isWanted || this.#isClosed) return connection.release(isUsable)
    connection.isKept = true
    this.#kept.push(connection)
    if (!this.#isWatching) this.#watch()
  }

  /** Behind a pooler there is nothing to cancel once the connection is closed. */
  async breakAfter(cancelled: Promise<void>, connection: PoolConnection): Promise<void> {
    await cancelled
    try {
      connection.release(false)
    } catch (error) {
      // From a listener of the pool: the statement has failed already.
      this.#pool.onIdleError(error as Error)
    }
  }

  /** Keeps none from now on. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#giveBackKept(() => true)
  }

  #checkOut(): Promise<PoolConnection> {
    return new Promise((resolve, reject) => {
      let isLate = false
      this.#waiting++
      const deadline = this.#deadlines.begin(() => {
        isLate = true
        this.#waiting--
        reject(new NoConnection(this.#deadlines.ms))
      })
      const settle = (client: DriverClient): void => {
        if (isLate) return client.release()
        this.#waiting--
        this.#deadlines.end(deadline)
        if (this.#isRetired(client)) {
          client.release(true)
          return resolve(this.#checkOut())
        }
        resolve(new PoolConnection(client, this.#retirements, this.#pool.onIdleError))
      }
      this.#pool.connect().then(settle, (error: unknown) => {
        if (isLate) return
        this.#waiting--
        this.#deadlines.end(deadline)
        reject(isPoolTimeout(error) ? new NoConnection(null) : error)
      })
    })
  }

  #isRetired(client: DriverClient): boolean {
    const firstUsed = this.#firstUsed.get(client)
    if (firstUsed === undefined) this.#firstUsed.set(client, this.#retirements)
    return firstUsed !== undefined && firstUsed < this.#retirements
  }

  #watch(): void {
    const { keepMs } = this.#pool
    this.#isWatching = true
    const giveBackResting = (): void => this.#giveBackKept(({ rests }) => rests)
    // What is sent next is sent at the end of this turn, behind this.
    if (keepMs === 0) setImmediate(giveBackResting)
    else this.#timer = setTimeout(giveBackResting, keepMs)
  }

  #giveBackKept(isDue: (kept: PoolConnection) => boolean): void {
    const looked = this.#kept
    this.#kept = []
    this.#isWatching = false
    for (const kept of looked) {
      if (isDue(kept) || kept.isBroken) kept.release(true)
      else this.#kept.push(kept)
      kept.rests = true
    }
    if (this.#kept.length > 0) this.#watch()
  }
}

// pg's pool gives up by itself after as long, and often first: nothing was sent then, which its error does not tell.
function isPoolTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'timeout exceeded when trying to connect'
}
