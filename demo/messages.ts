// What the demo and its processes say to each other.

/** What a process can be told to do. */
export interface Tasks {
  readonly connect: null
  readonly serve: {
    /** The most popular first. */
    readonly cities: readonly number[]
    readonly callers: number
    readonly seconds: number
    readonly cached: boolean
  }
  readonly watch: { readonly city: number; readonly patienceMs: number }
  readonly update: { readonly city: number }
  readonly stampede: {
    readonly city: number
    readonly callers: number
    readonly atMs: number
    readonly cached: boolean
  }
}

/** What it answers. */
export interface Answers {
  readonly connect: null
  readonly serve: null
  /** When the old value was last asked for and served, and when the new one first; null: not within the patience. */
  readonly watch: { readonly oldAtMs: number; readonly newAtMs: number | null }
  readonly update: { readonly commitSentAtMs: number }
  readonly stampede: { readonly answered: number; readonly ms: number }
}

export type Kind = keyof Tasks

/** One second of one process: counts of latencies, of requests that waited for the query and of those that found their answer. */
export interface Second {
  readonly index: number
  readonly cold: readonly number[]
  readonly cached: readonly number[]
}

export type ToWorker = { readonly [K in Kind]: { readonly kind: K; readonly task: Tasks[K] } }[Kind]

export type FromWorker =
  | { readonly about: 'second'; readonly second: Second }
  | { readonly about: 'watching' }
  | { readonly about: 'done'; readonly answer: Answers[Kind] }
  | { readonly about: 'failed'; readonly message: string }

/** The machine's monotonic clock: the same in every process. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
