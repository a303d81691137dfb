// A generator of numbers that a seed repeats.

export class Random {
  #state: number

  constructor(seed: string) {
    // FNV-1a.
    let hash = 0x811c9dc5
    for (let i = 0; i < seed.length; i++) hash = Math.imul(hash ^ seed.charCodeAt(i), 0x01000193)
    this.#state = hash
  }

  /** In [0, 1): mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** From 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  /** As below, low numbers far more often: some keys are hot. */
  skewed(limit: number): number {
    return Math.floor(this.next() ** 3 * limit)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.below(items.length)] as T
  }

  /** Each as often as its weight says. */
  weighted<T>(items: readonly { readonly weight: number; readonly item: T }[]): T {
    let at = this.next() * items.reduce((sum, { weight }) => sum + weight, 0)
    for (const { weight, item } of items) {
      at -= weight
      if (at < 0) return item
    }
    throw new Error('nothing to choose from')
  }
}
