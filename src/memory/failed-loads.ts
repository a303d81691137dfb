// Which loads have failed lately in this process, so that they are not tried again at once. Bounded: of too many, the oldest is forgotten.

import type { Clock } from '../core/clock.ts'

const MAX_KEYS = 4096
const MAX_DOUBLINGS = 5

export interface Failed {
  readonly error: unknown
  readonly inARow: number
  readonly retryAt: number
  readonly forgetAt: number
}

export interface FailurePauses {
  /** Until the next try, doubled with each failure in a row. */
  readonly backoffMs: number
  /** For how long the error itself is remembered. */
  readonly errorTtlMs: number
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

  failed(key: string, error: unknown, { backoffMs, errorTtlMs }: FailurePauses): void {
    const inARow = (this.#byKey.get(key)?.inARow ?? 0) + 1
    const waitMs = backoffMs * 2 ** Math.min(inARow - 1, MAX_DOUBLINGS)
    this.#byKey.delete(key)
    const now = this.#clock.monotonic()
    this.#byKey.set(key, { error, inARow, retryAt: now + waitMs, forgetAt: now + errorTtlMs })
    const [oldest] = this.#byKey.keys()
    if (this.#byKey.size > MAX_KEYS && oldest !== undefined) this.#byKey.delete(oldest)
  }

  succeeded(key: string): void {
    this.#byKey.delete(key)
  }

  /** The failure whose error stands for those of further tries. */
  remembered(key: string): Failed | undefined {
    const failed = this.#byKey.get(key)
    return failed !== undefined && this.#clock.monotonic() < failed.forgetAt ? failed : undefined
  }

  /** Whether the key should not be tried yet. */
  isBackingOff(key: string): boolean {
    const failed = this.#byKey.get(key)
    return failed !== undefined && this.#clock.monotonic() < failed.retryAt
  }
}
