// Whether one of many prefixes begins a text, at the price of a few comparisons, however long the prefixes are and however many lengths they have: a sync
// may tell of thousands, and every entry is held against all of them.

export class Prefixes {
  // Sorted, and none begins with another one. Whatever lies between a prefix and a text that it begins would begin with that prefix, too, so only the last
  // that is not beyond a text can begin it.
  readonly #sorted: string[] = []

  constructor(prefixes: readonly string[]) {
    // By UTF-16 units, as `<` compares.
    for (const prefix of prefixes.toSorted()) {
      const last = this.#sorted.at(-1)
      if (last === undefined || !prefix.startsWith(last)) this.#sorted.push(prefix)
    }
  }

  begin(text: string): boolean {
    let from = 0
    let to = this.#sorted.length
    while (from < to) {
      const middle = (from + to) >>> 1
      if ((this.#sorted[middle] as string) <= text) from = middle + 1
      else to = middle
    }
    return from > 0 && text.startsWith(this.#sorted[from - 1] as string)
  }
}
