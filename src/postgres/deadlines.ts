// Deadlines that are all equally far away, behind one timer: two timers of its own would cost a statement more than its promise does, and nearly all
// of them end in time.

export interface Deadline {
  readonly at: number
  readonly expire: () => void
}

export class Deadlines {
  readonly ms: number
  /** In the order in which they expire. */
  readonly #open = new Set<Deadline>()
  #timer: NodeJS.Timeout | undefined

  constructor(ms: number) {
    this.ms = ms
  }

  /** Calls `expire` after `ms`, unless it is ended before. */
  begin(expire: () => void): Deadline {
    const deadline = { at: performance.now() + this.ms, expire }
    this.#open.add(deadline)
    if (this.#timer === undefined) this.#watch(this.ms)
    return deadline
  }

  end(deadline: Deadline): void {
    this.#open.delete(deadline)
  }

  /** Leaves no timer behind where none is open. */
  close(): void {
    if (this.#open.size > 0) return
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #check(): void {
    const now = performance.now()
    this.#timer = undefined
    for (const deadline of this.#open) {
      if (deadline.at > now) {
        return this.#watch(deadline.at - now)
      }
      this.#open.delete(deadline)
      deadline.expire()
    }
  }

  // What is waited for keeps the process alive, not the timer, which outlives it.
  #watch(ms: number): void {
    this.#timer = setTimeout(() => this.#check(), Math.ceil(ms))
    this.#timer.unref()
  }
}
