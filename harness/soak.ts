// A long run with faults: what happens to it, and what must not grow meanwhile.

import { setTimeout as delay } from 'node:timers/promises'
import type { PostgresServer } from '../scripts/embedded-postgres.ts'
import type { TcpProxy } from '../test/tcp-proxy.ts'
import type { Plan } from './arguments.ts'
import type { Crew } from './crew.ts'
import { Growth } from './growth.ts'
import { HistoryWriter } from './history.ts'
import { Random } from './random.ts'
import { SoakFaults } from './soak-faults.ts'

const SAMPLE_EVERY_MS = 5_000

export interface SoakOptions {
  readonly plan: Plan
  readonly crew: Crew
  readonly url: string
  readonly server: PostgresServer | null
  readonly proxy: TcpProxy
  readonly directory: string
}

export class Soak {
  readonly #faults: SoakFaults
  readonly #growth: Growth
  readonly #history: HistoryWriter
  readonly #ending = new AbortController()
  readonly #done: Promise<unknown>

  constructor({ plan, crew, url, server, proxy, directory }: SoakOptions) {
    this.#history = new HistoryWriter(directory, 'faults')
    const random = new Random(`${plan.seed} faults`)
    this.#faults = new SoakFaults({ url, crew, server, proxy, random, history: this.#history })
    this.#growth = new Growth(url, crew)
    this.#done = Promise.all([this.#faults.until(this.#ending.signal), this.#sample()])
  }

  /** Rejects where a fault could not be made. */
  get failure(): Promise<never> {
    return this.#done.then(() => new Promise<never>(() => {}))
  }

  get grows(): boolean {
    return this.#growth.grown.length > 0
  }

  /** Resolves when the last fault is over. */
  async end(): Promise<void> {
    this.#ending.abort()
    await this.#done
    this.#history.close()
  }

  toLines(): string[] {
    return ['faults', ...this.#faults.toLines(), '', ...this.#growth.toLines()]
  }

  async #sample(): Promise<void> {
    for (; !this.#ending.signal.aborted; await delay(SAMPLE_EVERY_MS)) await this.#growth.sample()
  }
}
