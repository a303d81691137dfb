// How far apart the syncs are that hints ask for. What they cost the server shows in how much longer they take than they could: where others wait, too,
// each process asks less often, and under a load that nobody can keep up with about as often as by polling.

// Of the time, what syncs may wait in queues. There are many processes, and all pay for it.
const SHARE = 0.02
const MAX_REST_MS = 1_000
// One that took long says little about the next.
const MAX_SAMPLE_MS = MAX_REST_MS * SHARE
const WEIGHT = 1 / 8
// The way to the server may have become longer.
const FASTEST_GROWTH = 1.01

export class SyncPace {
  #begunAt = -Infinity
  #fastestMs = Infinity
  /** Moving mean of what they took beyond the fastest. */
  #queuedMs = 0

  /** `now` is monotonic, here and below. */
  begin(now: number): void {
    this.#begunAt = now
  }

  end(now: number): void {
    const tookMs = now - this.#begunAt
    this.#fastestMs = Math.min(tookMs, this.#fastestMs * FASTEST_GROWTH)
    const sample = Math.min(tookMs - this.#fastestMs, MAX_SAMPLE_MS)
    this.#queuedMs += (sample - this.#queuedMs) * WEIGHT
  }

  /** For how much longer the next one had better wait; 0 or less: not at all. */
  restMs(now: number): number {
    return Math.min(this.#queuedMs / SHARE, MAX_REST_MS) - (now - this.#begunAt)
  }
}
