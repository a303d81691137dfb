// Work that nobody awaits, and the only timers of memory/. Everything started here can be waited for, keeps no process
// alive, and never ends as an unhandled rejection.

export type OnError = (error: unknown) => void

/** Stops what was started; calling it again does nothing. */
export type Cancel = () => void

export class Background {
  readonly #onError: OnError
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #running = new Set<Promise<void>>()
  #closed = false

  constructor(onError: OnError) {
    this.#onError = onError
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Runs `work` each `ms`, never twice at once: a tick is left out while the last one's work is still running. */
  every(ms: number, work: () => void | Promise<void>): Cancel {
    if (this.#closed) return () => {}
    let busy = false
    const timer = setInterval(() => {
      if (busy) return
      busy = true
      void this.run(work).finally(() => {
        busy = false
      })
    }, ms)
    return this.#track(timer)
  }

  once(ms: number, work: () => void | Promise<void>): Cancel {
    if (this.#closed) return () => {}
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      void this.run(work)
    }, ms)
    return this.#track(timer)
  }

  /** Starts `work` at once, unless closed. The promise returned never rejects and need not be awaited. */
  run(work: () => void | Promise<void>, onError: OnError = this.#onError): Promise<void> {
    if (this.#closed) return Promise.resolve()
    const running = settle(work, onError).finally(() => this.#running.delete(running))
    this.#running.add(running)
    return running
  }

  /** Work that its caller awaits: close() waits for it, too. Rejects as it does. */
  during<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) return work()
    return new Promise((resolve, reject) => {
      void this.run(async () => resolve(await work()), reject)
    })
  }

  /** Cancels the timers and waits for what is running. */
  async close(): Promise<void> {
    this.#closed = true
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
    await this.drain()
  }

  /** Waits until nothing is running; timers go on. */
  async drain(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  #track(timer: NodeJS.Timeout): Cancel {
    timer.unref()
    this.#timers.add(timer)
    return () => {
      clearTimeout(timer)
      this.#timers.delete(timer)
    }
  }
}

async function settle(work: () => void | Promise<void>, onError: OnError): Promise<void> {
  try {
    await work()
  } catch (error) {
    try {
      onError(error)
    } catch {
      // Whoever reports errors must not become one: there is nobody left to tell.
    }
  }
}
