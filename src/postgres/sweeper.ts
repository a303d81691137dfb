// One turn of housekeeping. Which process takes it, and what may go, is decided in sql/0004_sweep.sql.

import type { Driver } from './driver.ts'
import type { Statements } from './statements.ts'

export interface SweeperOptions {
  /** Null: no cap. */
  readonly store: { readonly maxEntries: number | null; readonly maxBytes: number | null }
  readonly pruneIntervalMs: number
  readonly pruneBatchSize: number
  readonly loadTimeoutMs: number
}

// About 512 KiB of entries: milliseconds, far below queryTimeout.
const BLOCKS_PER_STEP = 64
// What a turn makes room for: a table far beyond its caps shrinks to them in several turns.
const MAX_EVICTED_PER_TURN = 200_000
// From so many blocks, at least so many go, so that a turn need not visit them all: what was written first goes first among some thousand.
const MIN_EVICTED_PER_STEP = 500
// Then the excess is estimated again: another process may be evicting, too.
const EVICTED_PER_LOOK = 5_000
// A turn visits at least this many blocks, and a large table whole within twenty turns.
const MIN_BLOCKS_PER_TURN = 1_024
const TURNS_PER_ROUND = 20
// A few hundred milliseconds at worst.
const FORGOTTEN_PER_STEP = 10_000
// Processes that fell further behind than this flush their local cache.
const FEED_KEPT_MS = 120_000
// The log is trimmed when it outgrows a tenth of the entries, but never below this.
const MIN_INVALIDATIONS = 100_000
// Every read scans the prefixes: few are kept.
const MAX_PREFIXES = 256

/** What one turn took out of the table. */
export interface Swept {
  /** Expired, or void. */
  readonly removed: number
  /** Beyond `store.maxEntries` or `store.maxBytes`. */
  readonly evicted: number
}

export class Sweeper {
  readonly #driver: Driver
  readonly #sql: Statements
  readonly #options: SweeperOptions
  #blocksPerTurn = MIN_BLOCKS_PER_TURN
  #evictFrom = 0

  constructor(driver: Driver, statements: Statements, options: SweeperOptions) {
    this.#driver = driver
    this.#sql = statements
    this.#options = options
  }

  /** Null when another process has the turn. `isStopped` is asked between statements. */
  async sweep(isStopped: () => boolean = () => false): Promise<Swept | null> {
    const { pruneIntervalMs, pruneBatchSize, loadTimeoutMs } = this.#options
    // A tenth less, so that a process whose timer is a little early is not turned away for a whole interval.
    const [elected] = await this.#driver.query(this.#sql.beginSweep, [
      pruneIntervalMs * 0.9,
      loadTimeoutMs,
      FEED_KEPT_MS,
    ])
    if (elected?.[0] !== 't') return null
    await this.#driver.query(this.#sql.beginTrim, [MIN_INVALIDATIONS, MAX_PREFIXES])

    let removed = 0
    let blocks = 0
    while (blocks < this.#blocksPerTurn && !isStopped()) {
      const [step] = await this.#driver.query(this.#sql.sweepBlocks, [BLOCKS_PER_STEP, pruneBatchSize])
      const count = Number(step?.[0])
      removed += count
      if (count < pruneBatchSize) blocks += BLOCKS_PER_STEP
      if (step?.[1] === 't') break
    }
    this.#blocksPerTurn = Math.max(
      MIN_BLOCKS_PER_TURN,
      Math.ceil((await this.#tableBlocks()) / TURNS_PER_ROUND),
    )
    await this.#driver.query(this.#sql.endTrim, [loadTimeoutMs])
    while (!isStopped() && (await this.#forgetSome()));
    return { removed, evicted: await this.#evict(isStopped) }
  }

  /** Everything expired or void, now. */
  async prune(): Promise<number> {
    let removed = 0
    let from: string | null = '0'
    while (from !== null) {
      const [step]: (readonly (string | null)[])[] = await this.#driver.query(this.#sql.prune, [
        from,
        BLOCKS_PER_STEP,
        this.#options.pruneBatchSize,
      ])
      removed += Number(step?.[0] ?? 0)
      from = step?.[1] ?? null
    }
    return removed
  }

  async #evict(isStopped: () => boolean): Promise<number> {
    const { maxEntries, maxBytes } = this.#options.store
    if (maxEntries === null && maxBytes === null) return 0
    const look = async (): Promise<number> => {
      const [row] = await this.#driver.query(this.#sql.excess, [maxEntries, maxBytes])
      return Number(row?.[0])
    }
    let evicted = 0
    let left = Math.min(await look(), MAX_EVICTED_PER_TURN)
    while (left > 0 && !isStopped()) {
      const count = await this.#evictSome(left, Math.min(left, EVICTED_PER_LOOK), isStopped)
      // Others hold what is left.
      if (count === 0) break
      evicted += count
      // An estimate: further looks may lower it, and do not raise it.
      left = left > count ? Math.min(left - count, await look()) : 0
    }
    return evicted
  }

  async #evictSome(excess: number, wanted: number, isStopped: () => boolean): Promise<number> {
    const tableBlocks = await this.#tableBlocks()
    const steps = Math.ceil(tableBlocks / BLOCKS_PER_STEP)
    const perStep = Math.max(Math.ceil(excess / steps), MIN_EVICTED_PER_STEP)
    let evicted = 0
    for (let step = 0; step < steps && evicted < wanted && !isStopped(); step++) {
      if (this.#evictFrom >= tableBlocks) this.#evictFrom = 0
      evicted += await this.#evictFromBlocks(this.#evictFrom, Math.min(perStep, wanted - evicted))
      this.#evictFrom += BLOCKS_PER_STEP
    }
    return evicted
  }

  async #evictFromBlocks(from: number, wanted: number): Promise<number> {
    let evicted = 0
    while (evicted < wanted) {
      const limit = Math.min(wanted - evicted, this.#options.pruneBatchSize)
      const [row] = await this.#driver.query(this.#sql.evictBlocks, [from, BLOCKS_PER_STEP, limit])
      const count = Number(row?.[0])
      evicted += count
      if (count < limit) break
    }
    return evicted
  }

  async #forgetSome(): Promise<boolean> {
    const [row] = await this.#driver.query(this.#sql.forget, [FORGOTTEN_PER_STEP])
    return row?.[0] === 't'
  }

  async #tableBlocks(): Promise<number> {
    const [row] = await this.#driver.query(this.#sql.tableBlocks)
    return Number(row?.[0] ?? 0)
  }
}
