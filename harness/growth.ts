// Whether anything grows in a long run: connections, locks, memory, and what keeps a process alive.

import type { Client } from 'pg'
import { connected } from './connected.ts'
import type { Crew } from './crew.ts'

export interface Sample {
  readonly connections: number
  readonly locks: number
  /** Of the largest process. */
  readonly mib: number
  /** Sockets, timers and the like, of the process that has most. */
  readonly handles: number
}

// Until then caches, pools and statistics fill up.
const JUDGED_FROM_SAMPLES = 60
const TOLERATED = 1.5

const FIGURES = ['connections', 'locks', 'mib', 'handles'] as const

export class Growth {
  readonly #url: string
  readonly #crew: Crew
  readonly #samples: Sample[] = []

  constructor(url: string, crew: Crew) {
    this.#url = url
    this.#crew = crew
  }

  /** None while the server is away. */
  async sample(): Promise<void> {
    const held = await connected(this.#url, countHeld).catch(() => null)
    if (held !== null) this.#samples.push({ ...held, ...this.#crew.largest })
  }

  /** What is at its highest in the last third, far above the middle third. */
  get grown(): readonly string[] {
    if (this.#samples.length < JUDGED_FROM_SAMPLES) return []
    return FIGURES.filter((figure) => this.#peak(2, figure) > TOLERATED * Math.max(1, this.#peak(1, figure)))
  }

  toLines(): string[] {
    const thirds = (figure: keyof Sample): string =>
      [0, 1, 2].map((third) => this.#peak(third, figure).toFixed(0).padStart(8)).join('')
    return [
      'at most in each third',
      ...FIGURES.map((figure) => `${figure.padEnd(16)}${thirds(figure)}`),
      `grown            ${this.grown.join(', ') || 'nothing'}`,
    ]
  }

  #peak(third: number, figure: keyof Sample): number {
    const size = Math.ceil(this.#samples.length / 3)
    return Math.max(
      0,
      ...this.#samples.slice(third * size, (third + 1) * size).map((sample) => sample[figure]),
    )
  }
}

async function countHeld(client: Client): Promise<Pick<Sample, 'connections' | 'locks'>> {
  const { rows } = await client.query<{ connections: number; locks: number }>(
    `select
         (select count(*)::integer from pg_stat_activity where datname = current_database()
            and starts_with(application_name, 'postgres-cache')) as connections,
         (select count(*)::integer from pg_locks where locktype = 'advisory'
            and database = (select oid from pg_database where datname = current_database())) as locks`,
  )
  return { connections: 0, locks: 0, ...rows[0] }
}
