// What is measured rather than counted: how long calls and statements take, and how many keys share a statement.

import type { TimedCall } from './channels.ts'
import { type Histogram, HistogramRecorder, KEY_BOUNDS, MS_BOUNDS } from './core/histogram.ts'

/** Statements of one kind. */
export interface StatementFigures {
  /** Milliseconds until the answer or the failure, waiting for a connection included. */
  readonly duration: Histogram
  /** How many keys share a statement. Empty for what is not about keys, such as `sync`. */
  readonly keys: Histogram
  readonly failures: number
}

/** Since the cache was made. */
export interface CacheMeasures {
  /**
   * Milliseconds, failures included. `get` and `set`: one in sixteen of the calls that ask the store, getMany and setMany
   * among them. `getOrSet`: each that the local cache did not answer, getOrSetMany among them. `load`: each run of a loader.
   */
  readonly durations: Readonly<Record<TimedCall, Histogram>>
  /** By kind: `read`, `write`, `remove`, `touch`, `expire`, `atomic`, `invalidate`, `sync` and so on, once one was sent. */
  readonly statements: Readonly<Record<string, StatementFigures>>
}

export class MeasureRecorder {
  readonly #durations: Readonly<Record<TimedCall, HistogramRecorder>> = {
    get: new HistogramRecorder(MS_BOUNDS),
    getOrSet: new HistogramRecorder(MS_BOUNDS),
    set: new HistogramRecorder(MS_BOUNDS),
    load: new HistogramRecorder(MS_BOUNDS),
  }
  readonly #statements = new Map<string, StatementRecorder>()

  timed(call: TimedCall, ms: number): void {
    this.#durations[call].record(ms)
  }

  sent(statement: string, keys: number, ms: number, hasFailed: boolean): void {
    let recorder = this.#statements.get(statement)
    if (recorder === undefined) this.#statements.set(statement, (recorder = new StatementRecorder()))
    recorder.record(keys, ms, hasFailed)
  }

  toMeasures(): CacheMeasures {
    const { get, getOrSet, set, load } = this.#durations
    return {
      durations: {
        get: get.toHistogram(),
        getOrSet: getOrSet.toHistogram(),
        set: set.toHistogram(),
        load: load.toHistogram(),
      },
      statements: Object.fromEntries(
        [...this.#statements].map(([statement, recorder]) => [statement, recorder.toFigures()]),
      ),
    }
  }
}

class StatementRecorder {
  readonly #duration = new HistogramRecorder(MS_BOUNDS)
  readonly #keys = new HistogramRecorder(KEY_BOUNDS)
  #failures = 0

  record(keys: number, ms: number, hasFailed: boolean): void {
    this.#duration.record(ms)
    if (keys > 0) this.#keys.record(keys)
    if (hasFailed) this.#failures++
  }

  toFigures(): StatementFigures {
    return {
      duration: this.#duration.toHistogram(),
      keys: this.#keys.toHistogram(),
      failures: this.#failures,
    }
  }
}
