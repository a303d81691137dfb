// How long a caller waits for a flight, and what it takes instead. Whoever leaves does not end the load, except the last one whose signal
// was aborted.

import { onAbort } from './abortable.ts'
import { CacheError } from './core/errors.ts'
import type { LoadFlight } from './load-flight.ts'
import type { LoadResult } from './load-result.ts'
import { mayTakeHeld, type ResolvedLoadOptions } from './options.ts'

export type Patience = Pick<
  ResolvedLoadOptions,
  'signal' | 'revalidate' | 'softTimeoutMs' | 'timeoutMs' | 'fresh' | 'localTtlMs'
>

export function waitFor(flight: LoadFlight, patience: Patience): Promise<LoadResult> {
  const { signal, revalidate, softTimeoutMs, timeoutMs } = patience
  if (signal === undefined && revalidate === 'blocking' && softTimeoutMs === null && timeoutMs === null) {
    flight.callers = Infinity
    flight.waiters = Infinity
    return flight.result
  }
  return new Wait(flight, patience).result
}

export function waitTimeout(key: string, ms: number): CacheError {
  const message = `the value of key ${JSON.stringify(key)} was not there within ${ms} ms; its load goes on`
  return new CacheError('wait-timeout', message, { key, option: 'timeout' })
}

class Wait {
  readonly result: Promise<LoadResult>
  readonly #flight: LoadFlight
  readonly #signal: AbortSignal | undefined
  /** Whether the local cache may answer. */
  readonly #takesHeld: boolean
  #ignoreSignal: (() => void) | undefined
  readonly #timers: NodeJS.Timeout[] = []
  #isOver = false
  /** Whether it waits for the end of the flight, and not only to hear what is stale. */
  #isWaiting = false
  #resolve!: (result: LoadResult) => void
  #reject!: (error: unknown) => void

  constructor(flight: LoadFlight, patience: Patience) {
    const { signal, revalidate, softTimeoutMs, timeoutMs } = patience
    this.#flight = flight
    this.#signal = signal
    this.#takesHeld = mayTakeHeld(patience)
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    flight.callers++
    if (revalidate === 'background') void this.#takeStale().then(() => this.#join())
    else this.#join()
    if (softTimeoutMs !== null) this.#after(softTimeoutMs, () => this.#softTimeOut())
    if (timeoutMs !== null) this.#after(timeoutMs, () => this.#timeOut(timeoutMs))
    if (signal?.aborted === true) this.#giveUp()
    else if (signal !== undefined) this.#ignoreSignal = onAbort(signal, this.#giveUp)
  }

  #join(): void {
    if (this.#isOver) return
    this.#isWaiting = true
    this.#flight.waiters++
    const { result } = this.#flight
    result.then(
      (loaded) => this.#end(() => this.#resolve(loaded)),
      (error: unknown) => this.#end(() => this.#reject(error)),
    )
  }

  async #takeStale(): Promise<void> {
    await this.#flight.isRead
    this.#serveStale(false)
  }

  async #softTimeOut(): Promise<void> {
    this.#serveStale(this.#takesHeld)
    if (!this.#isOver) await this.#takeStale()
  }

  /** The load goes on behind what is served. */
  #serveStale(heldToo: boolean): void {
    const stale = this.#isOver ? null : this.#flight.stale(heldToo)
    if (stale === null) return
    this.#flight.load.goOn()
    this.#end(() => this.#resolve(stale))
  }

  #timeOut(ms: number): void {
    this.#serveStale(this.#takesHeld)
    if (this.#isOver) return
    this.#flight.load.goOn()
    this.#end(() => this.#reject(waitTimeout(this.#flight.key, ms)))
  }

  readonly #giveUp = (): void => {
    const reason: unknown = this.#signal?.reason
    this.#end(() => this.#reject(reason))
    if (this.#flight.callers === 0) this.#flight.abandon(reason)
  }

  #end(settle: () => void): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const timer of this.#timers) clearTimeout(timer)
    this.#ignoreSignal?.()
    this.#flight.callers--
    if (this.#isWaiting) this.#flight.waiters--
    settle()
  }

  #after(ms: number, run: () => void | Promise<void>): void {
    this.#timers.push(setTimeout(() => void run(), ms))
  }
}
