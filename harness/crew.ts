// The processes of a run and what they tell each other.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Plan } from './arguments.ts'

const MEMBER = fileURLToPath(new URL('member.ts', import.meta.url))
// Transactions that are held open must come to their end.
const LEAVE_PATIENCE_MS = 60_000

export type RoleName = 'mixed' | 'original' | 'snapshots' | 'sweep'

export interface Assignment {
  readonly role: RoleName
  /** Among those of the same role. */
  readonly index: number
  readonly plan: Plan
  readonly url: string
  /** Where the cache connects. */
  readonly cacheUrl: string
  readonly directory: string
}

export type Order = { readonly kind: 'begin'; readonly assignment: Assignment } | { readonly kind: 'stop' }

/** Figures since the beginning. */
export interface Progress {
  readonly operations: number
  /** Entries compared with their source rows. */
  readonly compared: number
  /** What is known to be wrong before the history is checked. */
  readonly violations: number
  /** Of memory. */
  readonly mib: number
  /** Sockets, timers and the like. */
  readonly handles: number
}

export type Report =
  | { readonly kind: 'begun' }
  | ({ readonly kind: 'progress' } & Progress)
  /** It has done all it had to do. */
  | { readonly kind: 'finished' }

export class Crew implements AsyncDisposable {
  readonly #members: readonly Member[]

  constructor(assignments: readonly Assignment[]) {
    this.#members = assignments.map((assignment) => new Member(assignment))
  }

  /** Those with caches. */
  get pids(): readonly [number, ...number[]] {
    const pids = this.#members.filter(({ role }) => role === 'mixed').map(({ pid }) => pid)
    return pids as [number, ...number[]]
  }

  /** The most that any of the processes has. */
  get largest(): Pick<Progress, 'mib' | 'handles'> {
    const most = (figure: 'mib' | 'handles'): number =>
      Math.max(...this.#members.map(({ progress }) => progress[figure]))
    return { mib: most('mib'), handles: most('handles') }
  }

  get progress(): Pick<Progress, 'operations' | 'compared' | 'violations'> {
    const sum = (figure: 'operations' | 'compared' | 'violations'): number =>
      this.#members.reduce((total, { progress }) => total + progress[figure], 0)
    return { operations: sum('operations'), compared: sum('compared'), violations: sum('violations') }
  }

  /** Rejects as soon as one of them ends without having been told to. */
  get failure(): Promise<never> {
    return Promise.race(this.#members.map(({ failure }) => failure))
  }

  /** Resolves once all are at work. */
  async begun(): Promise<void> {
    await Promise.all(this.#members.map(({ begun }) => begun))
  }

  /** Resolves once every member of that role has done all it had to do. */
  async finished(role: RoleName): Promise<void> {
    await Promise.all(this.#members.filter((member) => member.role === role).map(({ finished }) => finished))
  }

  /** Resolves once all have written their histories. */
  async stop(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.stop()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const member of this.#members) member.kill()
  }
}

class Member {
  readonly role: RoleName
  readonly begun: Promise<void>
  readonly finished: Promise<void>
  readonly failure: Promise<never>
  progress: Progress = { operations: 0, compared: 0, violations: 0, mib: 0, handles: 0 }
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  #isStopping = false

  constructor(assignment: Assignment) {
    this.role = assignment.role
    const child = fork(MEMBER)
    this.#child = child
    this.#ended = once(child, 'exit')
    this.failure = new Promise((_, reject) => {
      child.once('exit', (code, signal) => {
        if (this.#isStopping && code === 0) return
        reject(new Error(`process ${assignment.role} ${assignment.index} ended with ${code ?? signal}`))
      })
    })
    this.failure.catch(() => {})
    this.begun = this.#hear('begun')
    this.finished = this.#hear('finished')
    child.on('message', (report: Report) => {
      if (report.kind === 'progress') this.progress = report
    })
    this.#send({ kind: 'begin', assignment })
  }

  get pid(): number {
    return this.#child.pid as number
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    this.#send({ kind: 'stop' })
    const timer = setTimeout(() => this.kill(), LEAVE_PATIENCE_MS)
    await Promise.race([this.#ended, this.failure])
    clearTimeout(timer)
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  #hear(kind: Report['kind']): Promise<void> {
    return new Promise((resolve) => {
      this.#child.on('message', (report: Report) => {
        if (report.kind === kind) resolve()
      })
    })
  }

  #send(order: Order): void {
    this.#child.send(order)
  }
}
