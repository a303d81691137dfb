// A part of the state space: what may happen in it, and how often. Within these bounds it is explored to the end.

import type { Step } from './abstract-store.ts'

/** What callers, other processes, the network and the clocks do. */
export type Cause =
  // Calls of this process: `which` of `keys`.
  | 'get'
  | 'get fresh'
  | 'get alone'
  | 'get or set'
  | 'set'
  | 'delete'
  /** This process: `which` of `invalidations`. */
  | 'invalidate'
  /** A transaction of a caller of this process: `which` of `touches`. */
  | 'touch'
  | 'commit'
  | 'roll back'
  /** The lease is renewed. */
  | 'renew'
  /** sync() */
  | 'sync'
  /** Another process: `which` of `foreign`, at once or in a transaction that goes on while others begin and commit. */
  | 'foreign'
  | 'begin foreign'
  | 'finish foreign'
  /** Of transaction `which`, however long ago and however often. */
  | 'hint'
  /** Of no transaction, or before its commit: `which` of all that could be. */
  | 'forge'
  | 'new world'
  /** Time passes, without and with the background checks of a process. */
  | 'wait'
  | 'work'
  /** Of the wall clock: `which` of `stepsMs`. */
  | 'step back'
  | 'step forward'
  | 'suspend'
  /** The whole machine stands still, with all its clocks. */
  | 'freeze'
  | 'close'

/** What becomes of a message. `usual`: however often. */
export const FATES = {
  see: 'usual',
  answer: 'usual',
  'commit write': 'usual',
  acknowledge: 'usual',
  fill: 'usual',
  // A write draws its snapshot and commits later.
  'begin write': 'counted',
  // There is no answer, and nothing was written.
  fail: 'counted',
  // An error says nothing about whether it was written.
  lose: 'counted',
  // A loader asks not to store.
  skip: 'counted',
  // What is there cannot be decoded by this process, and is loaded anew.
  garble: 'counted',
  // A connection that was left on the old primary answers.
  stray: 'counted',
  // A sync tells in another order; the feed does not reach back to the cursor.
  reversed: 'counted',
  gap: 'counted',
  // A sync is refused, because the server is in recovery; or it is answered, and tells of no world.
  recovery: 'counted',
  'no world': 'counted',
} as const

export type Fate = keyof typeof FATES

/** `which`: of the list that the cause names, or the number of the message. */
export type Event = readonly [what: Cause | Fate, which: number]

/** How often what may happen; what is not named does not. */
export type Bounds = Partial<Record<Cause | Fate, number>>

export interface Family {
  readonly name: string
  readonly bounds: Bounds
  readonly keys: readonly string[]
  /** Of the entries that this process writes. */
  readonly tags: readonly string[]
  readonly ttlMs: number
  readonly maxStalenessMs: number
  /** How long `wait`, `work`, `suspend` and `freeze` last. */
  readonly waitMs: number
  /** Other than that, or a step could undo what a suspension did to the clocks: no process can notice that. */
  readonly stepsMs: readonly number[]
  readonly invalidations: readonly Step[]
  readonly foreign: readonly Step[]
  readonly touches: readonly Step[]
  readonly local: 'some' | 'no room' | 'none'
  /** What has happened before, after the first sync. */
  readonly before: readonly Event[]
  /** Whether histories that lead to the same state are one. The clocks of the code under test cannot be compared. */
  readonly merges: boolean
}
