// Whether the database's clock and ours agree about elapsed time. Deadlines were computed by the one and are watched
// by the other; a step of either, or a machine that stood still with all its clocks, shows here.

const TOLERANCE_MS = 50 // a sync costs one flush too many at worst; network time daemons step from 128 ms on
const SLEW = 0.001 // two clocks, each slewed by at most 500 ppm
// Compared with a fixed moment for so long, small steps add up and are seen.
const ANCHOR_LIFE_MS = 60_000

interface Observation {
  readonly database: number
  readonly sentAt: number
  readonly receivedAt: number
}

export class DatabaseClock {
  #anchor: Observation | undefined

  /** `databaseNow` was read between the two local wall times. False: one of the clocks was stepped. */
  agrees(databaseNow: number, sentAt: number, receivedAt: number): boolean {
    const now = { database: databaseNow, sentAt, receivedAt }
    const anchor = this.#anchor
    if (anchor === undefined) {
      this.#anchor = now
      return true
    }
    const elapsed = now.database - anchor.database
    const tolerance = TOLERANCE_MS + Math.abs(elapsed) * SLEW
    const agreed =
      elapsed >= now.sentAt - anchor.receivedAt - tolerance &&
      elapsed <= now.receivedAt - anchor.sentAt + tolerance
    if (!agreed || elapsed >= ANCHOR_LIFE_MS) this.#anchor = now
    return agreed
  }

  /** Another database, another clock. */
  forget(): void {
    this.#anchor = undefined
  }
}
