// How far behind the store this process is at most, provably. A lease says: everything committed before `sentAt` of the
// last sync has been applied, so whatever the local cache holds is at most `maxStaleness` behind until the lease ends.
//
// live     the time is inside the window [from, until). Hits and stores are allowed.
// lapsed   never renewed, past its end, or given up by lapse(). Entries may stay, nobody may be served from them.
// stepped  check() found that the clocks disagree about elapsed time. The lease lapses and the caller must flush too,
//          because the deadlines of entries are wall times and have just become meaningless.
//
// A hit reads the wall clock, because it counts the time a machine is suspended; the monotonic clock stands still then.
// A forward step of the wall clock only ends the lease early. A backward step could lengthen it, so the wall clock is
// never trusted for longer than one check period: the window ends one period after the last check, and a hit past it
// checks first. A backward step therefore goes unseen for one check period at most: until the background check, or
// until hits have used up the window. `until` is shorter than maxStaleness by that period and the tolerance.
//
// Limits: a backward step that lands inside the last window while the event loop is blocked, so that no background
// check runs, costs up to one more window. A virtual machine whose clocks both stop notices nothing by itself; the next
// sync compares with the database's clock.

import type { Clock } from '../core/clock.ts'

/** Both clocks read together. */
export interface Instant {
  readonly wall: number
  readonly monotonic: number
}

export type LeaseState = 'live' | 'lapsed' | 'stepped'

const CHECK_PERIOD_MAX_MS = 100
const CHECKS_PER_LEASE = 20
// Date.now() counts whole milliseconds, and the process can be preempted between two clock reads.
const TOLERANCE_MS = 5
// adjtime slews by at most 500 ppm; twice that is not a step.
const SLEW = 0.001
const PREEMPTED_MS = 1
const READ_ATTEMPTS = 3

export class Lease {
  /** How often a background check must run for the bound to hold. */
  readonly checkPeriodMs: number
  readonly #clock: Clock
  readonly #durationMs: number
  #anchor: Instant
  #from = 0
  #until = 0
  #end = 0
  #held = false

  constructor(clock: Clock, maxStalenessMs: number) {
    this.#clock = clock
    this.checkPeriodMs = Math.min(CHECK_PERIOD_MAX_MS, maxStalenessMs / CHECKS_PER_LEASE)
    this.#durationMs = Math.max(0, maxStalenessMs - this.checkPeriodMs - TOLERANCE_MS)
    this.#anchor = this.read()
  }

  /** Whether a lease is held that was live when last looked at. */
  get held(): boolean {
    return this.#held
  }

  /** Wall time at which the lease ends; 0 when none is held. */
  get end(): number {
    return this.#held ? this.#end : 0
  }

  /** False also where the window has passed although the lease may be live: then check() tells. */
  covers(nowWall: number): boolean {
    return nowWall >= this.#from && nowWall < this.#until
  }

  /** To be taken before a sync is sent, and handed to renew() with its reply. */
  read(): Instant {
    for (let attempt = 1; ; attempt++) {
      const monotonic = this.#clock.monotonic()
      const wall = this.#clock.wall()
      // Preempted between the two reads, the clocks would seem to disagree by that time.
      if (this.#clock.monotonic() - monotonic < PREEMPTED_MS || attempt === READ_ATTEMPTS) {
        return { wall, monotonic }
      }
    }
  }

  check(): LeaseState {
    const now = this.read()
    if (!agree(this.#anchor, now)) {
      this.lapse()
      this.#anchor = now
      return 'stepped'
    }
    if (!this.#held) {
      // Without a lease every check starts anew, so that slewing over hours does not look like a step.
      this.#anchor = now
      return 'lapsed'
    }
    // The second: a step too small to be told from slewing would lengthen the lease.
    if (now.wall >= this.#end || now.monotonic - this.#anchor.monotonic >= this.#durationMs) {
      this.lapse()
      return 'lapsed'
    }
    this.#look(now)
    return 'live'
  }

  /** Extends the lease to `sentAt` + maxStaleness less the margins. */
  renew(sentAt: Instant): LeaseState {
    // A step before the sync would be forgotten with the old anchor, and entries keep deadlines from before it.
    if (this.check() === 'stepped') return 'stepped'
    this.#anchor = sentAt
    this.#end = sentAt.wall + this.#durationMs
    this.#held = true
    return this.check()
  }

  lapse(): void {
    this.#held = false
    this.#from = 0
    this.#until = 0
  }

  #look(now: Instant): void {
    this.#from = now.wall
    this.#until = Math.min(this.#end, now.wall + this.checkPeriodMs)
  }
}

function agree(earlier: Instant, later: Instant): boolean {
  const elapsed = later.monotonic - earlier.monotonic
  const apart = later.wall - earlier.wall - elapsed
  return Math.abs(apart) <= TOLERANCE_MS + elapsed * SLEW
}
