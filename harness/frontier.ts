// The furthest that was reached before a moment.

export interface Mark<T> {
  readonly at: number
  readonly rank: number
  readonly item: T
}

export class Frontier<T> {
  /** In the order of time; each holds the highest rank so far. */
  readonly #marks: Mark<T>[] = []

  constructor(marks: readonly Mark<T>[]) {
    let highest: Mark<T> | undefined
    for (const mark of marks.toSorted((a, b) => a.at - b.at)) {
      if (highest === undefined || mark.rank > highest.rank) highest = mark
      this.#marks.push({ ...highest, at: mark.at })
    }
  }

  /** The mark of the highest rank among those before `time`. */
  before(time: number): Mark<T> | undefined {
    let low = 0
    let high = this.#marks.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#marks[middle] as Mark<T>).at < time) low = middle + 1
      else high = middle
    }
    return this.#marks[low - 1]
  }
}
