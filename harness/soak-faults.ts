// What happens to the processes of a long run, every few seconds: their sessions are terminated, one stands still, a listener is idle in a
// transaction, a row of the cache is locked. Nothing of it may fail a call or break a promise.

import { Client } from 'pg'
import type { Crew } from './crew.ts'
import { pause } from './pause.ts'
import type { Random } from './random.ts'

const EVERY_MS = 4_000
const MAX_STOPPED_MS = 3_000
const IDLE_MS = 2_000

type Fault = (faults: Faults) => Promise<unknown>

const FAULTS: readonly [Fault, ...Fault[]] = [
  (faults) => faults.terminateSessions(),
  (faults) => faults.stopProcess(),
  (faults) => faults.idleInTransaction('listen cache_events'),
  (faults) => faults.idleInTransaction('select from postgres_cache.entries limit 1 for update'),
]

export class Faults {
  readonly #url: string
  readonly #crew: Crew
  readonly #random: Random
  #count = 0

  constructor(url: string, crew: Crew, random: Random) {
    this.#url = url
    this.#crew = crew
    this.#random = random
  }

  get count(): number {
    return this.#count
  }

  async until(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(this.#random.below(EVERY_MS))
      if (signal.aborted) return
      await this.#random.pick(FAULTS)(this)
      this.#count++
    }
  }

  terminateSessions(): Promise<void> {
    return this.#connected(async (client) => {
      await client.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and application_name = 'postgres-cache session'`,
      )
    })
  }

  async stopProcess(): Promise<void> {
    const member = this.#random.pick(this.#crew.pids)
    process.kill(member, 'SIGSTOP')
    try {
      await pause(this.#random.below(MAX_STOPPED_MS))
    } finally {
      process.kill(member, 'SIGCONT')
    }
  }

  /** LISTEN counts from its commit. */
  idleInTransaction(statement: string): Promise<void> {
    return this.#connected(async (client) => {
      if (statement.startsWith('listen')) await client.query(statement)
      await client.query('begin')
      if (!statement.startsWith('listen')) await client.query(statement)
      await pause(this.#random.below(IDLE_MS))
      await client.query('rollback')
    })
  }

  async #connected(work: (client: Client) => Promise<void>): Promise<void> {
    const client = new Client(this.#url)
    await client.connect()
    try {
      await work(client)
    } finally {
      await client.end()
    }
  }
}
