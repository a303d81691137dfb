// At most so many at a time. The others wait for their turn, in order.

export class Turns {
  #free: number
  #first: Waiting | undefined
  #last: Waiting | undefined
  #waiting = 0

  constructor(atATime: number) {
    this.#free = atATime
  }

  get waiting(): number {
    return this.#waiting
  }

  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await this.#wait()
    try {
      return await work()
    } finally {
      this.#pass()
    }
  }

  #wait(): Promise<void> {
    return new Promise((begin) => {
      const waiting: Waiting = { begin, next: undefined }
      if (this.#last === undefined) this.#first = waiting
      else this.#last.next = waiting
      this.#last = waiting
      this.#waiting++
    })
  }

  #pass(): void {
    const next = this.#first
    if (next === undefined) {
      this.#free++
      return
    }
    this.#waiting--
    this.#first = next.next
    if (this.#first === undefined) this.#last = undefined
    next.begin()
  }
}

interface Waiting {
  readonly begin: () => void
  next: Waiting | undefined
}
