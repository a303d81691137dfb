// Every statement of the library passes here on its way to the server: the circuit is asked first, and told afterwards; what fails
// becomes a CacheError.

import { CacheError } from './core/errors.ts'
import type { Clock } from './core/clock.ts'
import { Circuit } from './memory/circuit.ts'
import { isConnectionFailure, toCacheError } from './postgres/failures.ts'
import type { Reporter } from './events.ts'

// A server that is slow for one statement is not gone.
const FAILURES_TO_OPEN = 3

export class Gate {
  readonly #circuit: Circuit
  #lastError: CacheError | undefined

  constructor(clock: Clock, reporter: Reporter) {
    this.#circuit = new Circuit({
      clock,
      threshold: FAILURES_TO_OPEN,
      random: Math.random,
      onOpened: () => reporter.report('circuit-opened', { error: this.#unavailable() }),
      onClosed: () => reporter.report('circuit-closed', {}),
    })
  }

  /** Whether a statement sent now would be let through, be it as a probe. */
  get admits(): boolean {
    return this.#circuit.retryInMs === 0
  }

  /** Rejects with a CacheError; its `cause` is the driver's error. */
  async pass<T>(operation: string, work: () => Promise<T>): Promise<T> {
    if (!this.#circuit.admit()) throw this.#unavailable()
    try {
      const result = await work()
      this.#circuit.succeeded()
      return result
    } catch (error) {
      const failure = toCacheError(error, operation)
      if (isConnectionFailure(error)) {
        this.#lastError = failure
        this.#circuit.failed(isRefusal(error) ? 'refused' : 'unreachable')
      } else {
        this.#circuit.succeeded()
      }
      throw failure
    }
  }

  #unavailable(): CacheError {
    const last = this.#lastError
    const message = `the server cannot be reached, and is tried again in ${Math.ceil(this.#circuit.retryInMs)} ms`
    return new CacheError('unavailable', last === undefined ? message : `${message}: ${last.message}`, {
      cause: last,
    })
  }
}

function isRefusal(error: unknown): boolean {
  const code: unknown =
    typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return code === 'ECONNREFUSED' || code === 'ENOENT' || code === '57P03' || code === '53300'
}
