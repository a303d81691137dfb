// What a load has come to, for any number of callers.

export class LoadResult {
  readonly value: unknown
  readonly origin: 'store' | 'loader' | 'stale'
  /** For how long it was still fresh, where it came from the store. */
  readonly freshMs: number | undefined
  readonly #copy: (() => unknown) | null
  #isTaken = false

  /** `copy`: decodes it anew; null: all callers share the value. */
  constructor(value: unknown, origin: LoadResult['origin'], copy: (() => unknown) | null, freshMs?: number) {
    this.value = value
    this.origin = origin
    this.freshMs = freshMs
    this.#copy = copy
  }

  /** Once for each caller: the value, and from then on copies. */
  take(): unknown {
    if (this.#isTaken && this.#copy !== null) return this.#copy()
    this.#isTaken = true
    return this.value
  }
}
