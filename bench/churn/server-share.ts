// Who uses the server's CPU: the sweep's connection, autovacuum, the sampler. Read once a second from /proc, because backends come and go:
// of workers that live shorter, some is missed.

import type pg from 'pg'
import { processCpuMs, serverCpuMs } from '../servers/server-cpu.ts'

export interface ServerShare {
  readonly serverMs: number
  readonly sweepMs: number
  readonly vacuumMs: number
  readonly samplerMs: number
}

type Part = 'sweep' | 'vacuum' | 'sampler'

export class ServerClock {
  readonly #client: pg.Client
  readonly #ownPid: number
  readonly #names: Readonly<Record<string, Part>>
  readonly #seen = new Map<number, number>()
  readonly #sums = { sweep: 0, vacuum: 0, sampler: 0 }
  readonly #started: number

  /** `names`: what the application names of connections stand for. */
  constructor(client: pg.Client, ownPid: number, names: Readonly<Record<string, Part>>) {
    this.#client = client
    this.#ownPid = ownPid
    this.#names = names
    this.#started = serverCpuMs(ownPid) ?? 0
  }

  async tick(): Promise<void> {
    const { rows } = await this.#client.query<{ pid: number; name: string; type: string }>(
      'select pid, application_name as name, backend_type as type from pg_stat_activity',
    )
    for (const { pid, name, type } of rows) {
      const part = type === 'autovacuum worker' ? 'vacuum' : this.#names[name]
      const ms = processCpuMs(pid)
      if (part === undefined || ms === undefined) continue
      this.#sums[part] += ms - (this.#seen.get(pid) ?? 0)
      this.#seen.set(pid, ms)
    }
  }

  read(): ServerShare {
    const { sweep, vacuum, sampler } = this.#sums
    return {
      serverMs: (serverCpuMs(this.#ownPid) ?? 0) - this.#started,
      sweepMs: sweep,
      vacuumMs: vacuum,
      samplerMs: sampler,
    }
  }
}
