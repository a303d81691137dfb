// The processes of the application, and the talk with them.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Answers, FromWorker, Kind, Tasks } from './messages.ts'

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url))
const STOP_PATIENCE_MS = 5_000

export class Fleet {
  readonly #processes: readonly ChildProcess[]

  constructor(size: number, connectionString: string, schema: string) {
    // Not as an argument: it may hold a password, and everyone sees the arguments of a process.
    const env = { ...process.env, DATABASE_URL: connectionString }
    this.#processes = Array.from({ length: size }, () => fork(WORKER, [schema], { env }))
  }

  get size(): number {
    return this.#processes.length
  }

  /** One process carries out a task; `listener` hears what it says meanwhile. */
  async ask<K extends Kind>(
    worker: number,
    kind: K,
    task: Tasks[K],
    listener?: (message: FromWorker) => void,
  ): Promise<Answers[K]> {
    const child = this.#processes[worker]
    if (child === undefined) throw new Error(`there is no process ${worker + 1}`)
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void): void => {
        child.off('message', hear).off('exit', fail)
        finish()
      }
      const fail = (): void => settle(() => reject(new Error(`process ${worker + 1} ended early`)))
      const hear = (message: FromWorker): void => {
        if (message.about === 'done') settle(() => resolve(message.answer as Answers[K]))
        else if (message.about === 'failed') settle(() => reject(new Error(message.message)))
        else listener?.(message)
      }
      child.on('message', hear).on('exit', fail)
      child.send({ kind, task })
    })
  }

  /** Every process carries out the same task. */
  askAll<K extends Kind>(
    kind: K,
    task: Tasks[K],
    listener?: (message: FromWorker) => void,
  ): Promise<Answers[K][]> {
    return Promise.all(this.#processes.map((_, worker) => this.ask(worker, kind, task, listener)))
  }

  /** Whether all of them ended by themselves and without an error, once they had closed what they use. */
  async stop(): Promise<boolean> {
    return (await Promise.all(this.#processes.map(stopProcess))).every(Boolean)
  }
}

async function stopProcess(child: ChildProcess): Promise<boolean> {
  if (child.exitCode === null && child.signalCode === null) {
    const ended = once(child, 'exit')
    const killer = setTimeout(() => child.kill('SIGKILL'), STOP_PATIENCE_MS)
    if (child.connected) child.disconnect()
    await ended
    clearTimeout(killer)
  }
  return child.exitCode === 0
}
