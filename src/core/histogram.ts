// How often something took how long, or how many: counts in buckets of fixed bounds, so that it stays as small however much is recorded.

/** What was recorded. */
export interface Histogram {
  readonly count: number
  readonly sum: number
  readonly max: number
  /** Half of what was recorded was at most this; estimated from the buckets, as the next two. 0 before the first. */
  readonly p50: number
  readonly p95: number
  readonly p99: number
  /** The upper bound of each bucket, in ascending order. */
  readonly bounds: readonly number[]
  /** How many lie in each bucket: above the bound before it, up to its own. One more than bounds: above them all. */
  readonly counts: readonly number[]
}

/** From 0.1 ms to 50 s: what a call can take. Each bound is two or two and a half times the one before. */
export const MS_BOUNDS: readonly number[] = Object.freeze([
  0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000,
])

/** From one key to a full batch. */
export const KEY_BOUNDS: readonly number[] = Object.freeze([1, 2, 4, 8, 16, 32, 64, 128, 256])

export class HistogramRecorder {
  readonly #bounds: readonly number[]
  readonly #counts: number[]
  #count = 0
  #sum = 0
  #max = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0)
  }

  record(value: number): void {
    let bucket = 0
    while (value > (this.#bounds[bucket] ?? Infinity)) bucket++
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1
    this.#count++
    this.#sum += value
    if (value > this.#max) this.#max = value
  }

  toHistogram(): Histogram {
    return {
      count: this.#count,
      sum: this.#sum,
      max: this.#max,
      p50: this.#quantile(0.5),
      p95: this.#quantile(0.95),
      p99: this.#quantile(0.99),
      bounds: this.#bounds,
      counts: [...this.#counts],
    }
  }

  /** As if what lies in a bucket were spread evenly over it. */
  #quantile(share: number): number {
    const rank = share * this.#count
    let below = 0
    for (const [bucket, count] of this.#counts.entries()) {
      if (count > 0 && below + count >= rank) {
        const low = this.#bounds[bucket - 1] ?? 0
        const high = Math.min(this.#bounds[bucket] ?? Infinity, this.#max)
        return low + ((rank - below) / count) * (high - low)
      }
      below += count
    }
    return 0
  }
}
