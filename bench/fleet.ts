// The client processes of one contender in one scenario.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Address } from './contender.ts'
import type { Reply, Request } from './client.ts'
import type { ContenderName } from './contenders.ts'
import type { JobInput, JobName, JobOutput } from './jobs.ts'

const PATIENCE_MS = 120_000
const CLIENT = fileURLToPath(new URL('client.ts', import.meta.url))

export interface FleetOptions {
  readonly contender: ContenderName
  readonly address: Address
  /** @default 1 */
  readonly processes?: number
  /** In each process. @default 1 */
  readonly clients?: number
  /** Flags of Node for each process. @default [] */
  readonly nodeFlags?: readonly string[]
}

export class Fleet implements AsyncDisposable {
  readonly #processes: readonly ClientProcess[]

  private constructor(processes: readonly ClientProcess[]) {
    this.#processes = processes
  }

  static async open({
    contender,
    address,
    processes = 1,
    clients = 1,
    nodeFlags = [],
  }: FleetOptions): Promise<Fleet> {
    const fleet = new Fleet(Array.from({ length: processes }, () => new ClientProcess(nodeFlags)))
    try {
      // One first: several processes that install a schema at once is not what is measured.
      const [first, ...others] = fleet.#processes
      await first?.send({ kind: 'open', contender, address, clients })
      await Promise.all(others.map((each) => each.send({ kind: 'open', contender, address, clients })))
      return fleet
    } catch (error) {
      fleet.kill()
      throw error
    }
  }

  get size(): number {
    return this.#processes.length
  }

  /** The same job in every process at once; `input` is told which of them it is for. */
  async run<J extends JobName>(job: J, input: (process: number) => JobInput<J>): Promise<JobOutput<J>[]> {
    return Promise.all(this.#processes.map((_, i) => this.runIn(i, job, input(i))))
  }

  async runIn<J extends JobName>(process: number, job: J, input: JobInput<J>): Promise<JobOutput<J>> {
    const client = this.#processes[process]
    if (!client) throw new Error(`the fleet has no process ${process}`)
    return (await client.send({ kind: 'run', job, input })) as JobOutput<J>
  }

  async close(): Promise<void> {
    try {
      await Promise.all(this.#processes.map((each) => each.send({ kind: 'close' })))
    } finally {
      this.kill()
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  kill(): void {
    for (const each of this.#processes) each.kill()
  }
}

/** A client that hangs must not keep the others from being measured. */
function patienceMs(request: Request): number {
  const input: { readonly ms?: number } = request.kind === 'run' ? (request.input ?? {}) : {}
  return PATIENCE_MS + (input.ms ?? 0)
}

class ClientProcess {
  readonly #child: ChildProcess
  readonly #ended: Promise<never>

  constructor(nodeFlags: readonly string[]) {
    const child = fork(CLIENT, { serialization: 'advanced', execArgv: [...process.execArgv, ...nodeFlags] })
    this.#child = child
    this.#ended = once(child, 'exit').then(([code, signal]) => {
      throw new Error(`a client process ended with ${code ?? signal}`)
    })
    this.#ended.catch(() => {})
  }

  /** One request at a time. */
  async send(request: Request): Promise<unknown> {
    const replied = once(this.#child, 'message') as Promise<[Reply]>
    this.#child.send(request)
    const patience = new AbortController()
    const late = delay(patienceMs(request), 'late' as const, { signal: patience.signal })
    try {
      const answer = await Promise.race([replied, this.#ended, late])
      if (answer === 'late') throw new Error(`a client process did not answer a request to ${request.kind}`)
      const [reply] = answer
      if ('error' in reply) throw new Error(reply.error)
      return reply.output
    } finally {
      late.catch(() => {})
      patience.abort()
    }
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}
