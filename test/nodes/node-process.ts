// Real processes for tests: each runs main.ts, does tasks when told to, and ends with the test at the latest.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Order, Outcome } from './main.ts'
import type { Tasks } from './tasks.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PROGRAM = fileURLToPath(new URL('main.ts', import.meta.url))

export interface NodeProcessOptions {
  /** What runs the program in the place of this Node, with its first arguments: a namespace, say. */
  readonly command?: readonly [string, ...string[]]
  readonly environment?: Readonly<Record<string, string>>
}

interface Waiter {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
}

export class NodeProcess implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #waiters = new Map<number, Waiter>()
  #orders = 0

  private constructor({ command = [process.execPath], environment = {} }: NodeProcessOptions) {
    const [execPath, ...args] = command
    this.#child = fork(PROGRAM, {
      cwd: ROOT,
      execPath,
      execArgv: [...args, '--import', 'tsx'],
      env: { ...process.env, ...environment },
    })
    this.#child.on('message', ({ id, result, failure }: Outcome) => {
      const waiter = this.#waiters.get(id)
      this.#waiters.delete(id)
      if (failure === undefined) waiter?.resolve(result)
      else waiter?.reject(new Error(`in process ${this.#child.pid}: ${failure}`))
    })
    this.#child.once('exit', (code, signal) => {
      for (const { reject } of this.#waiters.values())
        reject(new Error(`process ${this.#child.pid} ended with ${code ?? signal}`))
      this.#waiters.clear()
    })
  }

  /** Resolves once the program is loaded, so that tasks of several processes begin together. */
  static async start(options: NodeProcessOptions = {}): Promise<NodeProcess> {
    const node = new NodeProcess(options)
    await node.#wait(0)
    return node
  }

  static startMany(count: number): Promise<NodeProcess[]> {
    return Promise.all(Array.from({ length: count }, () => NodeProcess.start()))
  }

  run<Name extends keyof Tasks>(
    task: Name,
    ...[argument]: Parameters<Tasks[Name]>
  ): Promise<Awaited<ReturnType<Tasks[Name]>>> {
    const id = ++this.#orders
    const waiting = this.#wait(id)
    this.#child.send({ id, task, argument } satisfies Order)
    return waiting as Promise<Awaited<ReturnType<Tasks[Name]>>>
  }

  /** Stands still, with all its connections open. */
  stop(): void {
    this.#child.kill('SIGSTOP')
  }

  continue(): void {
    this.#child.kill('SIGCONT')
  }

  /** As when a machine loses its power: nothing is closed. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.continue()
    if (this.#child.connected) await this.run('close').catch(() => {})
    await this.kill()
  }

  #wait(id: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiters.set(id, { resolve, reject })
    })
  }
}

/** Ends them all together. */
export function group(nodes: readonly NodeProcess[]): AsyncDisposable {
  return {
    [Symbol.asyncDispose]: async () =>
      void (await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()))),
  }
}
