// Latencies as counts of classes that are 5 % wide: small to send, exact enough to read, and those of several processes add up.

const SMALLEST_MS = 0.0005
const GROWTH = Math.log(1.05)
const CLASSES = 400 // up to 40 hours

export class Latencies {
  readonly #counts: number[]

  constructor(counts: readonly number[] = []) {
    this.#counts = [...counts]
  }

  get count(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0)
  }

  add(ms: number): void {
    const index = Math.ceil(Math.log(Math.max(ms, SMALLEST_MS) / SMALLEST_MS) / GROWTH)
    const bounded = Math.min(index, CLASSES - 1)
    while (this.#counts.length <= bounded) this.#counts.push(0)
    this.#counts[bounded] = (this.#counts[bounded] ?? 0) + 1
  }

  /** In milliseconds; NaN when there are none. */
  quantile(share: number): number {
    let left = this.count * share
    const index = this.#counts.findIndex((count) => count > 0 && (left -= count) <= 0)
    return index === -1 ? Number.NaN : SMALLEST_MS * Math.exp(index * GROWTH)
  }

  /** What the constructor takes. */
  get counts(): readonly number[] {
    return this.#counts
  }

  static sum(parts: Iterable<Latencies>): Latencies {
    const counts: number[] = []
    for (const part of parts)
      for (const [i, count] of part.#counts.entries()) counts[i] = (counts[i] ?? 0) + count
    return new Latencies(counts)
  }
}
