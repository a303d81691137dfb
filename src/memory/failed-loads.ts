// Which loads have failed lately in this process, so that they are not tried again at once. Bounded: of too many, the oldest is forgotten.

import type { Clock } from '../core/clock.ts'

const MAX_KEYS = 4096
const MAX_DOUBLINGS = 5

interface Failed {
  readonly error: unknown
  readonly inARow: number
  readonly retryAt: number
}

export class FailedLoads {
  readonly #clock: Clock
  readonly #byKey = new Map<string, Failed>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#byKey.size
  }

  /** `backoffMs`: until the next try, doubled with each failure in a row. */
  failed(key: string, error: unknown, backoffMs: number): void {
    const inARow = (this.#byKey.get(key)?.inARow ?? 0) + 1
    const waitMs = backoffMs * 2 ** Math.min(inARow - 1, MAX_DOUBLINGS)
    this.#byKey.delete(key)
    this.#byKey.set(key, { error, inARow, retryAt: this.#clock.monotonic() + waitMs })
    const [oldest] = this.#byKey.keys()
    if (this.#byKey.size > MAX_KEYS && oldest !== undefined) this.#byKey.delete(oldest)
  }

  succeeded(key: string): void {
    this.#byKey.delete(key)
  }

  /** Whether the key should not be tried yet. */
  isBackingOff(key: string): boolean {
    const failed = this.#byKey.get(key)
    return failed !== undefined && this.#clock.monotonic() < failed.retryAt
  }
}
