// Deadlines that are all equally far away, behind one timer: two timers of its own would cost a statement more than its promise does, and nearly all
// of them end in time.

export class Deadline {
  at: number
  isExtended = false
  readonly expire: () => void
  previous: Deadline | undefined = undefined
  next: Deadline | undefined = undefined

  constructor(at: number, expire: () => void) {
    this.at = at
    this.expire = expire
  }
}

// A timer that is later than this means that the event loop stood still. Answers may be there by then, and timers come before sockets in a turn: what is
// due has as long again, once.
const STALL_MS = 20

export class Deadlines {
  readonly ms: number
  // In the order in which they expire. A list, and what leaves it keeps nobody: src/memory/churning-map.ts says why no Set.
  #first: Deadline | undefined
  #last: Deadline | undefined
  #timer: NodeJS.Timeout | undefined
  #dueAt = 0

  constructor(ms: number) {
    this.ms = ms
  }

  /** Calls `expire` after `ms`, unless it is ended before. */
  begin(expire: () => void): Deadline {
    const deadline = new Deadline(performance.now() + this.ms, expire)
    deadline.previous = this.#last
    if (this.#last === undefined) this.#first = deadline
    else this.#last.next = deadline
    this.#last = deadline
    if (this.#timer === undefined) this.#watch(this.ms)
    return deadline
  }

  /** Ending twice does nothing. */
  end(deadline: Deadline): void {
    const { previous, next } = deadline
    if (previous !== undefined) previous.next = next
    else if (this.#first === deadline) this.#first = next
    if (next !== undefined) next.previous = previous
    else if (this.#last === deadline) this.#last = previous
    deadline.previous = undefined
    deadline.next = undefined
  }

  /** Leaves no timer behind where none is open. */
  close(): void {
    if (this.#first !== undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #check(): void {
    const now = performance.now()
    const lateMs = now - this.#dueAt
    this.#timer = undefined
    for (let first = this.#first; first !== undefined; first = this.#first) {
      if (lateMs > STALL_MS && first.at <= now && !first.isExtended) {
        first.isExtended = true
        first.at = now + lateMs
      }
      if (first.at > now) return this.#watch(first.at - now)
      this.end(first)
      first.expire()
    }
  }

  // What is waited for keeps the process alive, not the timer, which outlives it.
  #watch(ms: number): void {
    this.#dueAt = performance.now() + ms
    this.#timer = setTimeout(() => this.#check(), Math.ceil(ms))
    this.#timer.unref()
  }
}
