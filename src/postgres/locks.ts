// Who loads a key, cluster-wide. Efficiency only: correctness never depends on a lock, because fills are fenced.
// No connection is held while a loader runs; waiters hold none.

import type { ReadReply } from './store.ts'

export interface Claim {
  /** Whether this process is the one that loads. Then the read is the proof that the value is still missing, and its snapshot the token. */
  readonly held: boolean
  readonly read: ReadReply
  /** How many signals of the key had been heard before the lock was tried. */
  readonly heard: number
}

/** Two ways: advisory locks of the session, or lease rows where no session can be had. */
export interface LoadLocks {
  /** Tries the lock, then reads in a later statement. Null: no lock can be had now, so load without. */
  claim(key: string): Promise<Claim | null>
  /** Says "I wait for this key" before the claim that decides about sleeping. */
  enlist(key: string): Promise<void>
  /** Until a signal is heard that the claim did not know of, or for a while: a killed holder signals nobody. */
  sleep(key: string, ms: number, heard: number): Promise<void>
  delist(key: string): void
  /** After the fill was answered. Resolves when the next one can have the lock. */
  release(key: string): Promise<void>
}
