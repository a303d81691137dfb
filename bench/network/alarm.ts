// Wakes a process at a moment, to a tenth of a millisecond: Node's own timers count in whole ones.

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

// Runs in a thread of its own, where it may block. Slot 0 counts the orders, so that a new one ends an old wait.
const SLEEPER = `
const { parentPort, workerData } = require('node:worker_threads')
const orders = new Int32Array(workerData.orders)
const wakeAt = new Float64Array(workerData.wakeAt)
parentPort.postMessage('ready')
for (;;) {
  const order = Atomics.load(orders, 0)
  const now = performance.timeOrigin + performance.now()
  const pause = wakeAt[0] - now
  if (pause > 0) {
    Atomics.wait(orders, 0, order, pause)
  } else {
    wakeAt[0] = Infinity
    parentPort.postMessage('now')
  }
}
`

export class Alarm {
  readonly #orders = new Int32Array(new SharedArrayBuffer(4))
  readonly #wakeAt = new Float64Array(new SharedArrayBuffer(8)).fill(Infinity)
  readonly #worker: Worker

  private constructor(onWake: () => void) {
    this.#worker = new Worker(SLEEPER, {
      eval: true,
      workerData: { orders: this.#orders.buffer, wakeAt: this.#wakeAt.buffer },
    })
    this.#worker.on('message', onWake)
  }

  static async create(onWake: () => void): Promise<Alarm> {
    const alarm = new Alarm(onWake)
    await once(alarm.#worker, 'message')
    return alarm
  }

  /** Calls `onWake` at `ms` of `performance.now()`, instead of what was set before. */
  set(ms: number): void {
    this.#wakeAt[0] = performance.timeOrigin + ms
    Atomics.add(this.#orders, 0, 1)
    Atomics.notify(this.#orders, 0)
  }
}
