// Times and traces the calls that the store answers. Those of the local cache are neither: looking at a clock would take as long as the answer.

import { CALL_TRACES, type TimedCall } from './channels.ts'
import type { Clock } from './core/clock.ts'
import { Sampler } from './core/sampler.ts'
import type { Reporter } from './events.ts'

// Reading the clock twice is a hundredth of a get in a batch.
const ONE_IN = 16

export class Timing {
  readonly #clock: Clock
  readonly #reporter: Reporter
  readonly #samplers: Readonly<Record<TimedCall, Sampler>> = {
    get: new Sampler(ONE_IN),
    getOrSet: new Sampler(1),
    set: new Sampler(ONE_IN),
    load: new Sampler(1),
  }

  constructor(clock: Clock, reporter: Reporter) {
    this.#clock = clock
    this.#reporter = reporter
  }

  /** Whether this call is to be handed to run(). */
  wants(call: TimedCall): boolean {
    return CALL_TRACES[call].hasSubscribers || this.#samplers[call].isDue()
  }

  /** As run(), where it is wanted. */
  runIfWanted<T>(call: TimedCall, keys: () => readonly string[], work: () => Promise<T>): Promise<T> {
    return this.wants(call) ? this.run(call, keys(), work) : work()
  }

  run<T>(call: TimedCall, keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const trace = CALL_TRACES[call]
    const started = this.#clock.monotonic()
    const answer = trace.hasSubscribers
      ? trace.tracePromise(work, { cache: this.#reporter.cache, keys })
      : work()
    const end = (): void => this.#reporter.timed(call, this.#clock.monotonic() - started)
    // Not beside it: a failure that nobody looks at has to be seen as unhandled.
    return answer.finally(end)
  }
}
