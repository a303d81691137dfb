// Follows the feed as a process does: each read goes on from the cursor of the one before.

import type { Client } from 'pg'
import { createNames } from '../../src/postgres/names.ts'
import type { DriverClient, DriverPool } from '../../src/postgres/connections.ts'
import { Driver } from '../../src/postgres/driver.ts'
import { Feed, type FeedReply } from '../../src/postgres/feed.ts'
import { createStatements } from '../../src/postgres/statements.ts'

export class Follower {
  readonly #feed: Feed
  #last: FeedReply | undefined

  /** Reads over these connections, each statement on the next one, as through a pooler in transaction mode. */
  constructor(clients: readonly Client[]) {
    const driver = new Driver(new Rotation(clients), { queryTimeoutMs: 10_000, prepare: true })
    this.#feed = new Feed(driver, createStatements(createNames({ schema: 'postgres_cache', prefix: '' })))
  }

  /** From now on. */
  static async begin(clients: readonly Client[]): Promise<Follower> {
    const follower = new Follower(clients)
    await follower.read()
    return follower
  }

  read(): Promise<FeedReply> {
    return this.readFrom(this.#last?.cursor ?? null)
  }

  async readFrom(cursor: string | null): Promise<FeedReply> {
    this.#last = await this.#feed.read(cursor)
    return this.#last
  }

  /** The keys that changed since the last read, sorted. */
  async hear(): Promise<string[]> {
    const { complete, changes } = await this.read()
    if (!complete) throw new Error('the feed does not reach back to the cursor')
    return changes.flatMap(({ keys }) => keys).toSorted()
  }
}

class Rotation implements DriverPool {
  readonly keepMs = 0
  readonly isWanted = (): boolean => false
  readonly onIdleError = (): void => {}
  readonly #clients: readonly Client[]
  #turn = 0

  constructor(clients: readonly Client[]) {
    this.#clients = clients
  }

  async connect(): Promise<DriverClient> {
    return {
      query: (statement, callback) =>
        (this.#clients[this.#turn++ % this.#clients.length] as Client).query(statement, callback),
      on: () => {},
      off: () => {},
      release: () => {},
    }
  }
}
