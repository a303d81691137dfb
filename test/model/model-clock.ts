// The clocks of the process and of the database, and the time that really passes.

import type { Clock } from '../../src/core/clock.ts'

const DATABASE_AHEAD_MS = 12_345

export class ModelClock implements Clock {
  /** True time. */
  now = 0
  freezes = 0
  #wall = 1_000_000
  #monotonic = 5_000

  wall(): number {
    return this.#wall
  }

  monotonic(): number {
    return this.#monotonic
  }

  database(): number {
    return this.now + DATABASE_AHEAD_MS
  }

  advance(ms: number): void {
    this.now += ms
    this.#wall += ms
    this.#monotonic += ms
  }

  /** An operator or NTP sets the wall clock. */
  step(ms: number): void {
    this.#wall += ms
  }

  /** The machine sleeps, and only the wall clock counts that. */
  suspend(ms: number): void {
    this.now += ms
    this.#wall += ms
  }

  /** A virtual machine stands still, and none of its clocks counts that. */
  freeze(ms: number): void {
    this.freezes++
    this.now += ms
  }
}
