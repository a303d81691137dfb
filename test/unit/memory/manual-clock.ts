import type { Clock } from '../../../src/core/clock.ts'

/** Time moves only when told to. */
export class ManualClock implements Clock {
  #wall = 1_700_000_000_000
  #monotonic = 5_000

  wall(): number {
    return this.#wall
  }

  monotonic(): number {
    return this.#monotonic
  }

  advance(ms: number): void {
    this.#wall += ms
    this.#monotonic += ms
  }

  /** An operator or NTP sets the wall clock. */
  step(ms: number): void {
    this.#wall += ms
  }

  /** The machine sleeps: only the wall clock counts that. */
  suspend(ms: number): void {
    this.#wall += ms
  }
}
