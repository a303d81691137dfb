// Keeps calls away from a server that cannot be reached, so that each of them fails at once instead of by its time-out.
//
// closed     every call is admitted; consecutive failures are counted
// open       no call is admitted until the backoff has passed
// half-open  one call was admitted as a probe. Its success closes the circuit, its failure doubles the backoff; a
//            probe that never reports is followed by another after five seconds.

import type { Clock } from '../core/clock.ts'

export type CircuitState = 'closed' | 'open' | 'half-open'

/** `refused`: the server said so itself; a second opinion is not needed. */
export type CircuitFailure = 'refused' | 'unreachable'

export interface CircuitOptions {
  readonly clock: Clock
  /** Consecutive failures that open the circuit. */
  readonly threshold: number
  /** In [0, 1). */
  readonly random: () => number
  readonly onOpened: () => void
  readonly onClosed: () => void
}

const BACKOFF_MIN_MS = 100
// How long after the server is back nobody may have noticed.
const BACKOFF_MAX_MS = 1_000
// A probe may take its time-out. Until it reports, others would only hang beside it.
const PROBE_PATIENCE_MS = 5_000
// Between half and all of the backoff: processes that lost the server together come back apart.
const JITTER = 0.5

export class Circuit {
  readonly #options: CircuitOptions
  #state: CircuitState = 'closed'
  #failures = 0
  #backoffMs = BACKOFF_MIN_MS
  #retryAt = 0

  constructor(options: CircuitOptions) {
    this.#options = options
  }

  get state(): CircuitState {
    return this.#state
  }

  /** Milliseconds until a probe is admitted; 0 when the circuit is closed. */
  get retryInMs(): number {
    return this.#state === 'closed' ? 0 : Math.max(0, this.#retryAt - this.#options.clock.monotonic())
  }

  /** Whether a call may be made; then succeeded() or failed() tells how it went. */
  admit(): boolean {
    if (this.#state === 'closed') return true
    if (this.#options.clock.monotonic() < this.#retryAt) return false
    this.#state = 'half-open'
    this.#waitForRetry(PROBE_PATIENCE_MS)
    return true
  }

  succeeded(): void {
    this.#failures = 0
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#backoffMs = BACKOFF_MIN_MS
    this.#options.onClosed()
  }

  /** Failures of the connection only: a statement that the server refuses shows that it is there. */
  failed(failure: CircuitFailure): void {
    if (this.#state === 'closed') {
      this.#failures++
      if (failure === 'refused' || this.#failures >= this.#options.threshold) this.#open()
      return
    }
    // Calls admitted before the circuit opened fail one after the other; only a probe says something new.
    if (this.#state === 'open') return
    this.#state = 'open'
    this.#backoffMs = Math.min(BACKOFF_MAX_MS, this.#backoffMs * 2)
    this.#waitForRetry()
  }

  #open(): void {
    this.#state = 'open'
    this.#waitForRetry()
    this.#options.onOpened()
  }

  #waitForRetry(ms = this.#backoffMs): void {
    const { clock, random } = this.#options
    this.#retryAt = clock.monotonic() + ms * (1 - JITTER * random())
  }
}
