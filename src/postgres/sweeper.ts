// Housekeeping: turns, and between them the caps. Which process takes a turn, and what may go, is decided in sql/0004_sweep.sql.

import { BLOCKS_PER_STEP, Caps, type CapsOptions } from './caps.ts'
import type { Driver, Row } from './driver.ts'
import type { Statements } from './statements.ts'

export interface SweeperOptions extends CapsOptions {
  readonly loadTimeoutMs: number
}

// A turn visits at least this many blocks, and a large table whole within twenty turns. While there is a row to remove in each block, it goes on.
const MIN_BLOCKS_PER_TURN = 1_024
const TURNS_PER_ROUND = 20
// A few milliseconds.
const CHANGES_PER_STEP = 1_000
// A few hundred at worst; there are some only when the log was trimmed.
const INVALIDATIONS_PER_STEP = 10_000
// Processes that fell further behind than this flush their local cache.
const FEED_KEPT_MS = 120_000
// The log is trimmed when it, or what it has of prefixes, outgrows a tenth of the entries, but never below this.
const MIN_INVALIDATIONS = 100_000

/** What was taken out of the table. */
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
  readonly #caps: Caps
  #turnAt = Infinity

  constructor(driver: Driver, statements: Statements, options: SweeperOptions) {
    this.#driver = driver
    this.#sql = statements
    this.#options = options
    this.#caps = new Caps(driver, statements, options)
  }

  /** Lets an interval pass: at the start, and after a failure. */
  postpone(): void {
    this.#turnAt = performance.now() + this.#options.pruneIntervalMs
    this.#caps.rest()
  }

  /** When to call `work` again. */
  get dueInMs(): number {
    return Math.max(Math.min(this.#turnAt, this.#caps.dueAt) - performance.now(), 0)
  }

  /** Asks for a turn when it is time, and holds the caps in between. Null: nothing to report. `isStopped` is asked between statements. */
  async work(isStopped: () => boolean): Promise<Swept | null> {
    if (performance.now() < this.#turnAt) {
      const evicted = await this.#caps.hold(isStopped)
      return evicted === 0 ? null : { removed: 0, evicted }
    }
    // From now on, so that turns keep their distance however long they take.
    this.#turnAt = performance.now() + this.#options.pruneIntervalMs
    const swept = await this.#takeTurn(isStopped)
    if (swept === null) this.#caps.rest()
    return swept
  }

  /** Null when another process has the turn. */
  async #takeTurn(isStopped: () => boolean): Promise<Swept | null> {
    const { pruneIntervalMs, loadTimeoutMs } = this.#options
    // A tenth less, so that a process whose timer is a little early is not turned away for a whole interval.
    const [elected] = await this.#driver.query(this.#sql.beginSweep, [
      pruneIntervalMs * 0.9,
      loadTimeoutMs,
      FEED_KEPT_MS,
    ])
    if (elected?.[0] !== 't') return null
    await this.#driver.query(this.#sql.beginTrim, [MIN_INVALIDATIONS])
    let evicted = await this.#caps.hold(isStopped)
    const removed = await this.#turnHand(isStopped, async () => {
      if (performance.now() >= this.#caps.dueAt) evicted += await this.#caps.hold(isStopped, true)
    })
    if (removed > 0) evicted += await this.#caps.hold(isStopped, true)
    await this.#driver.query(this.#sql.endTrim, [loadTimeoutMs])
    await this.#forget(isStopped)
    return { removed, evicted }
  }

  /** How many rows it has removed. A whole turn of a large table takes seconds: `meanwhile` is called between its statements. */
  async #turnHand(isStopped: () => boolean, meanwhile: () => Promise<void>): Promise<number> {
    const { pruneBatchSize } = this.#options
    const tableBlocks = await this.#tableBlocks()
    const blocksPerTurn = Math.max(MIN_BLOCKS_PER_TURN, Math.ceil(tableBlocks / TURNS_PER_ROUND))
    let removed = 0
    let blocks = 0
    while ((blocks < blocksPerTurn || (removed >= blocks && blocks < tableBlocks)) && !isStopped()) {
      const [step] = await this.#driver.query(this.#sql.sweepBlocks, [BLOCKS_PER_STEP, pruneBatchSize])
      const count = Number(step?.[0])
      removed += count
      if (count < pruneBatchSize) blocks += BLOCKS_PER_STEP
      // A small table is visited once.
      if (step?.[1] === 't' && tableBlocks <= blocksPerTurn) break
      await meanwhile()
    }
    return removed
  }

  /** Everything expired or void, now. */
  async prune(): Promise<number> {
    // Until the world is settled nothing is valid, and nothing void.
    await this.#driver.query(this.#sql.settleWorld)
    let removed = 0
    let from: string | null = '0'
    while (from !== null) {
      const [step]: Row[] = await this.#driver.query(this.#sql.prune, [
        from,
        BLOCKS_PER_STEP,
        this.#options.pruneBatchSize,
      ])
      removed += Number(step?.[0] ?? 0)
      from = step?.[1] ?? null
    }
    return removed
  }

  async #forget(isStopped: () => boolean): Promise<void> {
    let from: string | null = '0'
    while (from !== null && !isStopped()) {
      const [row]: Row[] = await this.#driver.query(this.#sql.forgetChanges, [from, CHANGES_PER_STEP])
      from = row?.[0] ?? null
    }
    let mayBeMore = true
    while (mayBeMore && !isStopped()) {
      const [row] = await this.#driver.query(this.#sql.forgetInvalidations, [INVALIDATIONS_PER_STEP])
      mayBeMore = row?.[0] === 't'
    }
  }

  async #tableBlocks(): Promise<number> {
    const [row] = await this.#driver.query(this.#sql.tableBlocks)
    return Number(row?.[0] ?? 0)
  }
}
