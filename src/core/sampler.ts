// Picks a fixed share of what happens, for what is too frequent to be measured each time.

export class Sampler {
  readonly #period: number
  // The first is picked: whoever tries it out sees something.
  #left = 1

  /** One in `period` is due. */
  constructor(period: number) {
    this.#period = period
  }

  isDue(): boolean {
    if (--this.#left > 0) return false
    this.#left = this.#period
    return true
  }
}
