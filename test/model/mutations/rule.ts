/** One place of a file, and what stands there where the rule is broken. */
export interface Rule {
  /** What is so without it. */
  readonly without: string
  /** The family of histories that shows it. */
  readonly seenIn: string
  /** Occurs exactly once. */
  readonly from: string
  readonly to: string
}
