// What a sync answered, and whether the local cache can be brought up to date with it or has to be emptied.

import type { Change } from '../core/change.ts'
import { DatabaseClock } from './database-clock.ts'
import type { Instant } from './lease.ts'

export interface SyncReply {
  /** From beginSync(). */
  readonly sentAt: Instant
  /** Null in recovery. */
  readonly world: string | null
  /** `gap`: there was no cursor, or the feed no longer reaches back to it. */
  readonly cursor: 'continued' | 'gap'
  readonly changes: readonly Change[]
  /** Milliseconds since the epoch by the database's clock. */
  readonly databaseNow: number
  /** Of the transactions given to bypass(), those that this sync saw finished. */
  readonly finished: readonly string[]
}

/** `clock`: one of the clocks was stepped. `gap`: changes may have been missed. `world`: it is another store. */
export type FlushReason = 'clock' | 'gap' | 'world' | 'recovery' | 'violation' | 'closed'

export class SyncHistory {
  readonly #databaseClock = new DatabaseClock()
  /** Of the last sync; null before the first, and in recovery. */
  #world: string | null = null
  #isDoubted = false
  #isDoubtedSinceBegin = false

  /** Whether a reply can be compared with the last sync. */
  continues(world: string | null): boolean {
    return world !== null && world === this.#world && !this.#isDoubted
  }

  /**
   * Somebody was given a reply from another world. Until a sync that begins after this has told which one counts, none
   * does: the next reply may come over a connection that was left in the old one.
   */
  doubt(): void {
    this.#isDoubted = true
    this.#isDoubtedSinceBegin = true
  }

  begin(): void {
    this.#isDoubtedSinceBegin = false
  }

  /** Takes the reply in. Undefined: it continues from the one before. */
  reasonToFlush({ world, cursor, databaseNow, sentAt }: SyncReply, nowWall: number): FlushReason | undefined {
    const sameWorld = world === this.#world
    this.#world = world
    this.#isDoubted = this.#isDoubtedSinceBegin
    if (!sameWorld) this.#databaseClock.forget()
    const clocksAgree = this.#databaseClock.agrees(databaseNow, sentAt.wall, nowWall)

    if (world === null) return 'recovery'
    if (!sameWorld) return 'world'
    if (!clocksAgree) return 'clock'
    return cursor === 'gap' ? 'gap' : undefined
  }
}
