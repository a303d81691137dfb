// What happens in a long run, every few seconds: the server is killed or restarted, a network swallows what half of the processes send to it, sessions
// are terminated, a process stands still, a listener is idle in a transaction, a row of the cache is locked. Nothing of it may break a promise.

import type { Client } from 'pg'
import type { PostgresServer } from '../scripts/embedded-postgres.ts'
import type { TcpProxy } from '../test/tcp-proxy.ts'
import { connected } from './connected.ts'
import type { Crew } from './crew.ts'
import { type HistoryWriter, now, type Outage } from './history.ts'
import { pause } from './pause.ts'
import type { Random } from './random.ts'

const EVERY_MS = 4_000
const MAX_STOPPED_MS = 3_000
const IDLE_MS = 2_000
const MAX_DOWN_MS = 1_500
const SWALLOWED_MS = { least: 1_000, more: 3_000 } as const

export interface Surroundings {
  readonly url: string
  readonly crew: Crew
  /** Null: the server is somebody else's, and is left alone. */
  readonly server: PostgresServer | null
  readonly proxy: TcpProxy
  readonly history: HistoryWriter
  readonly random: Random
}

interface Fault {
  readonly name: string
  readonly weight: number
  readonly item: (faults: SoakFaults) => Promise<unknown>
}

const FAULTS: readonly Fault[] = [
  { name: 'sessions terminated', weight: 3, item: (faults) => faults.terminateSessions() },
  { name: 'processes stopped', weight: 3, item: (faults) => faults.stopProcess() },
  { name: 'idle listeners', weight: 2, item: (faults) => faults.idleInTransaction('listen cache_events') },
  { name: 'locked rows', weight: 2, item: (faults) => faults.idleInTransaction(LOCK_A_ROW) },
  { name: 'networks that swallow', weight: 2, item: (faults) => faults.swallow() },
]
const SERVER_FAULTS: readonly Fault[] = [
  { name: 'kill -9 of the server', weight: 3, item: (faults) => faults.killServer() },
  { name: 'fast restarts', weight: 1, item: (faults) => faults.restartServer() },
]
const LOCK_A_ROW = 'select from postgres_cache.entries limit 1 for update'

export class SoakFaults {
  readonly #around: Surroundings
  readonly #counts = new Map<string, number>()

  constructor(around: Surroundings) {
    this.#around = around
  }

  toLines(): string[] {
    return [...this.#counts].map(([name, count]) => `${String(count).padStart(5)} ${name}`)
  }

  async until(signal: AbortSignal): Promise<void> {
    const { random, server } = this.#around
    const faults = server === null ? FAULTS : [...FAULTS, ...SERVER_FAULTS]
    const choices = faults.map((fault) => ({ weight: fault.weight, item: fault }))
    while (!signal.aborted) {
      await pause(random.below(EVERY_MS))
      if (signal.aborted) return
      const { name, item } = random.weighted(choices)
      await item(this)
      this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
    }
  }

  killServer(): Promise<void> {
    return this.#outage('killed', async () => {
      await this.#around.server?.kill()
      await pause(this.#around.random.below(MAX_DOWN_MS))
      await this.#around.server?.start()
    })
  }

  restartServer(): Promise<void> {
    return this.#outage('restarted', async () => {
      await this.#around.server?.shutdown('fast')
      await this.#around.server?.start()
    })
  }

  /** What was under way stays so until its time-out; new connections are passed on afterwards. */
  swallow(): Promise<void> {
    const { proxy, random } = this.#around
    return this.#outage('swallowed', async () => {
      proxy.swallow()
      await pause(SWALLOWED_MS.least + random.below(SWALLOWED_MS.more))
      proxy.recover()
    })
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
    const { crew, random } = this.#around
    const member = random.pick(crew.pids)
    process.kill(member, 'SIGSTOP')
    try {
      await pause(random.below(MAX_STOPPED_MS))
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
      await pause(this.#around.random.below(IDLE_MS))
      await client.query('rollback')
    })
  }

  async #outage(what: Outage['what'], work: () => Promise<void>): Promise<void> {
    const start = now()
    await work()
    this.#around.history.add({ op: 'outage', node: 'faults', what, start, end: now() })
  }

  #connected(work: (client: Client) => Promise<void>): Promise<void> {
    return connected(this.#around.url, work)
  }
}
