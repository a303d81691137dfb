// Every statement of the library passes here on its way to the server: the circuit is asked first, and told afterwards; it is timed and
// traced; what fails becomes a CacheError.

import { STATEMENT_TRACE } from './channels.ts'
import { CacheError } from './core/errors.ts'
import type { Clock } from './core/clock.ts'
import { Circuit } from './memory/circuit.ts'
import { isConnectionFailure, toCacheError } from './postgres/failures.ts'
import { isTurnedAway } from './postgres/login-failures.ts'
import type { Reporter } from './events.ts'

// A server that is slow for one statement is not gone.
const FAILURES_TO_OPEN = 3

export class Gate {
  readonly #clock: Clock
  readonly #reporter: Reporter
  readonly #circuit: Circuit
  #lastError: CacheError | undefined

  constructor(clock: Clock, reporter: Reporter) {
    this.#clock = clock
    this.#reporter = reporter
    this.#circuit = new Circuit({
      clock,
      threshold: FAILURES_TO_OPEN,
      random: Math.random,
      onOpened: () => reporter.report('circuit-opened', { error: this.#unavailable() }),
      onClosed: () => reporter.report('circuit-closed', {}),
    })
  }

  /** Whether calls are kept away from the server. */
  get isOpen(): boolean {
    return this.#circuit.state !== 'closed'
  }

  /** Whether a statement sent now would be let through, be it as a probe. */
  get admits(): boolean {
    return this.#circuit.retryInMs === 0
  }

  /**
   * Rejects with a CacheError; its `cause` is the driver's error. `keys`: how many share the statement; 0: it is not about keys. `about`: the call and
   * the key that it is for, where it is for one alone.
   */
  async pass<T>(
    statement: string,
    work: () => Promise<T>,
    keys = 0,
    about?: { readonly call: string; readonly key: string },
  ): Promise<T> {
    if (!this.#circuit.admit()) throw this.#unavailable()
    const started = this.#clock.monotonic()
    try {
      const result = await this.#trace(statement, work, keys)
      this.#circuit.succeeded()
      this.#reporter.sent(statement, keys, this.#clock.monotonic() - started)
      return result
    } catch (error) {
      // On connecting it is the set-up that is wrong, and every caller is told. Later it is an outage, and a server that is asked by every call gets no rest.
      const isTurned = statement !== 'connect' && isTurnedAway(error)
      const isUnreachable = isTurned || isConnectionFailure(error)
      // While nothing is sent, other callers are shown the failure: it must not tell them the key.
      const failure = toCacheError(error, about?.call ?? statement, isUnreachable ? undefined : about?.key)
      if (isUnreachable) {
        this.#lastError = failure
        this.#circuit.failed(isTurned || isRefusal(error) ? 'refused' : 'unreachable')
      } else {
        this.#circuit.succeeded()
      }
      this.#reporter.sent(statement, keys, this.#clock.monotonic() - started, failure)
      throw failure
    }
  }

  #trace<T>(statement: string, work: () => Promise<T>, keys: number): Promise<T> {
    if (!STATEMENT_TRACE.hasSubscribers) return work()
    return STATEMENT_TRACE.tracePromise(work, { cache: this.#reporter.cache, statement, keys })
  }

  #unavailable(): CacheError {
    const last = this.#lastError
    const message = 'the circuit is open: nothing is sent to the server, but for a try each second'
    return new CacheError(
      'unavailable',
      last === undefined ? message : `${message}, after: ${last.message}`,
      {
        cause: last,
      },
    )
  }
}

function isRefusal(error: unknown): boolean {
  const code: unknown =
    typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return code === 'ECONNREFUSED' || code === 'ENOENT' || code === '57P03' || code === '53300'
}
