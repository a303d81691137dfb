// Who loads a key, cluster-wide. Efficiency only: correctness never depends on a lock, because fills are fenced.
// No connection is held while a loader runs; waiters hold none.

import type { ReadReply } from './store.ts'

/** In the order of the keys. Keys at the end may be left out: no lock can be had for them now, so they are loaded without. */
export interface Claims {
  /** Whether this process is the one that loads. Then the read is the proof that the value is still missing, and its snapshot the token. */
  readonly held: readonly boolean[]
  /** How many signals of the key had been heard before the lock was tried. */
  readonly heard: readonly number[]
  readonly read: ReadReply
}

/** Two ways: advisory locks of the session, or lease rows where no session can be had. */
export interface LoadLocks {
  /** Tries the locks, then reads in a later statement. Null: no lock can be had now, so load without. */
  claim(keys: readonly string[]): Promise<Claims | null>
  /** Reads as claim() does, and tries no lock. Rejects where that cannot be had now. */
  look(key: string): Promise<ReadReply>
  /** Says "I wait for this key" before the claim that decides about sleeping. */
  enlist(key: string): Promise<void>
  /**
   * Until a signal is heard that the claim did not know of, or for a while: a killed holder signals nobody. Resolves with whether there was a signal:
   * then the value is most likely there.
   */
  sleep(key: string, ms: number, heard: number): Promise<boolean>
  delist(key: string): void
  /** After the fills were answered. Resolves when others can have the locks. */
  release(keys: readonly string[]): Promise<void>
}
