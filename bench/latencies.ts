// Times of single calls, kept whole: percentiles of several processes cannot be had from their percentiles.

export class Latencies {
  #values = new Float64Array(4096)
  #count = 0

  add(ms: number): void {
    if (this.#count === this.#values.length) {
      const grown = new Float64Array(this.#values.length * 2)
      grown.set(this.#values)
      this.#values = grown
    }
    this.#values[this.#count++] = ms
  }

  /** A copy of what was added. */
  toArray(): Float64Array {
    return this.#values.slice(0, this.#count)
  }
}

export interface Distribution {
  readonly meanMs: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

/** NaN throughout where there is nothing to sum up. */
export function distributionOf(samples: readonly Float64Array[]): Distribution {
  const sorted = joined(samples).toSorted()
  const at = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN
  return {
    meanMs: sorted.reduce((sum, ms) => sum + ms, 0) / sorted.length,
    p50Ms: at(0.5),
    p95Ms: at(0.95),
    p99Ms: at(0.99),
    maxMs: at(1),
  }
}

function joined(samples: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(samples.reduce((length, each) => length + each.length, 0))
  let end = 0
  for (const each of samples) {
    all.set(each, end)
    end += each.length
  }
  return all
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}
