// What a run came to, in numbers.

import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import type { Operation } from './history.ts'

const CLASSES = ['local hit', 'store read', 'load', 'set', 'removal', 'step', 'commit'] as const
type Class = (typeof CLASSES)[number]

export interface Latency {
  readonly what: Class
  readonly count: number
  readonly meanMs: number
  readonly p95Ms: number
  readonly p99Ms: number
}

export class Figures {
  readonly #histograms = new Map<Class, RecordableHistogram>(CLASSES.map((name) => [name, createHistogram()]))
  readonly #counts = new Map<string, number>()

  add(operation: Operation): void {
    this.#count(operation.op)
    if (operation.op === 'read') {
      this.#count(operation.found === null ? 'missed' : operation.tier)
      this.#time(READ_CLASSES[operation.tier], operation)
    } else if (operation.op === 'snapshot') this.#count('compared', operation.compared)
    else if (isTimed(operation.op)) this.#time(operation.op, operation)
  }

  /** 0 for what never happened. */
  count(what: Operation['op'] | 'missed' | 'local' | 'store' | 'loader' | 'compared'): number {
    return this.#counts.get(what) ?? 0
  }

  latencies(): Latency[] {
    return [...this.#histograms]
      .filter(([, { count }]) => count > 0)
      .map(([what, histogram]) => ({
        what,
        count: histogram.count,
        meanMs: histogram.mean / 1000,
        p95Ms: histogram.percentile(95) / 1000,
        p99Ms: histogram.percentile(99) / 1000,
      }))
  }

  #count(what: string, by = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + by)
  }

  #time(what: Class, { start, end }: Operation): void {
    this.#histograms.get(what)?.record(Math.max(1, Math.round((end - start) * 1000)))
  }
}

const READ_CLASSES = { local: 'local hit', store: 'store read', loader: 'load' } as const

function isTimed(op: Operation['op']): op is 'set' | 'removal' | 'step' | 'commit' {
  return op === 'set' || op === 'removal' || op === 'step' || op === 'commit'
}
