// Keeps the table under its caps: looks how full it is, evicts what is beyond, and plans the next look from what has come meanwhile.

import type { Driver } from './driver.ts'
import type { Statements } from './statements.ts'

export interface CapsOptions {
  /** Null: no cap. */
  readonly store: { readonly maxEntries: number | null; readonly maxBytes: number | null }
  readonly pruneIntervalMs: number
  readonly pruneBatchSize: number
}

/** One figure for `maxEntries` and one for `maxBytes`. */
type PerCap = readonly [entries: number, bytes: number]

interface Look {
  readonly at: number
  /** Of the caps: 1 is full, and 0 where there is none. */
  readonly shares: PerCap
  /** What has to go, so that it is `reserve` of each cap below it. Null: nothing. */
  readonly excess: (reserve: PerCap) => Excess | null
}

interface Excess {
  readonly rows: number
  /** These lose their values first: nobody misses them. */
  readonly expired: boolean
}

/** Of the entries: milliseconds a step, far below queryTimeout. */
export const BLOCKS_PER_STEP = 64
// At a time: a table far beyond its caps shrinks to them in several looks.
const MAX_EVICTED_PER_LOOK = 200_000
// From so many blocks, at least so many go, so that a look need not visit them all: what was written first goes first among some thousand.
const MIN_EVICTED_PER_STEP = 500
// Then it is estimated again: another process may be evicting, too.
const EVICTED_PER_ESTIMATE = 5_000
// A look reads up to 8 MiB of the table, some 15 ms. So often it is worth that only where much is written.
const MIN_INTERVAL_MS = 500
// How fast the table grows is known from the second look on.
const SECOND_LOOK_MS = 1_000
// Estimates are a few per cent off: growth is that of about so long, and the next look comes when half of the room may be used up.
const GROWTH_OVER_MS = 15_000
const ROOM_USED = 0.5
// While it grows, so much of the caps is kept free for what comes before the next look.
const MAX_RESERVE = 0.05
// Of rows with a value: fewer that have expired are not worth visiting the whole table.
const MIN_EXPIRED_SHARE = 0.02
// Rows without a value must stay for some minutes. They count for so much of maxBytes, or a storm of short-lived keys would drive out all others.
const MAX_STUB_SHARE = 0.5

export class Caps {
  readonly #driver: Driver
  readonly #sql: Statements
  readonly #options: CapsOptions
  #evictFrom = 0
  /** What the last look has left, and what shares come in a millisecond. */
  #left: Pick<Look, 'at' | 'shares'> | undefined
  #growth: PerCap | undefined
  #dueAt = Infinity

  constructor(driver: Driver, statements: Statements, options: CapsOptions) {
    this.#driver = driver
    this.#sql = statements
    this.#options = options
  }

  /** When to look again, by `performance.now()`: Infinity where there is no cap, or nobody has looked. */
  get dueAt(): number {
    return this.#dueAt
  }

  /** Another process has the turn, and looks. */
  rest(): void {
    this.#left = undefined
    this.#growth = undefined
    this.#dueAt = Infinity
  }

  /** Evicts what is beyond the caps; how many entries. `isSwept`: the sweep has removed rows since the last look, which says nothing of what comes. */
  async hold(isStopped: () => boolean, isSwept = false): Promise<number> {
    const { maxEntries, maxBytes } = this.#options.store
    if (maxEntries === null && maxBytes === null) return 0
    let look = await this.#look()
    const elapsedMs = look.at - (this.#left?.at ?? -Infinity)
    if (this.#left !== undefined && !isSwept) this.#learn(look.shares, this.#left.shares, elapsedMs)
    const aheadMs = Math.min(elapsedMs, this.#options.pruneIntervalMs)
    const reserve = perCap((i) => Math.min(MAX_RESERVE, Math.max(this.#growth?.[i] ?? 0, 0) * aheadMs))
    let evicted = 0
    let spared = false
    while (evicted < MAX_EVICTED_PER_LOOK && !isStopped()) {
      const excess = look.excess(reserve)
      if (excess === null) break
      const expired = excess.expired && !spared
      const count = await this.#evictSome(excess.rows, expired, isStopped)
      // Others hold what is left, or there is nothing whose eviction would help.
      if (count === 0 && !expired) break
      spared ||= count === 0
      evicted += count
      look = await this.#look()
    }
    this.#left = look
    this.#dueAt = performance.now() + this.#plan(elapsedMs, look.shares)
    return evicted
  }

  #learn(now: PerCap, before: PerCap, elapsedMs: number): void {
    const measured = perCap((i) => (now[i] - before[i]) / elapsedMs)
    const known = this.#growth ?? measured
    const weight = 1 - Math.exp(-elapsedMs / GROWTH_OVER_MS)
    this.#growth = perCap((i) => known[i] + weight * (measured[i] - known[i]))
  }

  #plan(elapsedMs: number, shares: PerCap): number {
    const { pruneIntervalMs } = this.#options
    const growth = this.#growth
    if (growth === undefined) return Math.min(SECOND_LOOK_MS, pruneIntervalMs)
    const dueInMs = perCap((i) =>
      growth[i] <= 0 ? Infinity : (ROOM_USED * Math.max(1 - shares[i], 0)) / growth[i],
    )
    // Not much later than the last time, should it have stopped growing for a moment only.
    return Math.min(Math.max(Math.min(...dueInMs, elapsedMs * 2), MIN_INTERVAL_MS), pruneIntervalMs)
  }

  async #look(): Promise<Look> {
    const { maxEntries, maxBytes } = this.#options.store
    const [row] = await this.#driver.query(this.#sql.usage)
    const [entries = 0, bytes = 0, stubBytes = 0, valued = 0, expired = 0, valueBytes = 0] = (row ?? []).map(
      Number,
    )
    const counted = bytes - stubBytes + Math.min(stubBytes, (maxBytes ?? 0) * MAX_STUB_SHARE)
    const shares: PerCap = [
      maxEntries === null ? 0 : entries / maxEntries,
      maxBytes === null ? 0 : counted / maxBytes,
    ]
    return {
      at: performance.now(),
      shares,
      excess: ([forEntries, forBytes]) => {
        const entriesBeyond = maxEntries === null ? 0 : entries - maxEntries * (1 - forEntries)
        const bytesBeyond = maxBytes === null ? 0 : counted - maxBytes * (1 - forBytes)
        const rowsForBytes = (bytesBeyond * valued) / Math.max(valueBytes, 1)
        if (rowsForBytes > 0 && expired > valued * MIN_EXPIRED_SHARE)
          return { rows: Math.ceil(rowsForBytes), expired: true }
        const rows = Math.ceil(Math.max(entriesBeyond, rowsForBytes))
        return rows > 0 ? { rows, expired: false } : null
      },
    }
  }

  async #evictSome(excess: number, expired: boolean, isStopped: () => boolean): Promise<number> {
    const wanted = Math.min(excess, EVICTED_PER_ESTIMATE)
    const [row] = await this.#driver.query(this.#sql.tableBlocks)
    const tableBlocks = Number(row?.[0] ?? 0)
    const steps = Math.ceil(tableBlocks / BLOCKS_PER_STEP)
    const perStep = Math.max(Math.ceil(excess / steps), MIN_EVICTED_PER_STEP)
    let evicted = 0
    for (let step = 0; step < steps && evicted < wanted && !isStopped(); step++) {
      if (this.#evictFrom >= tableBlocks) this.#evictFrom = 0
      evicted += await this.#evictFromBlocks(Math.min(perStep, wanted - evicted), expired)
      this.#evictFrom += BLOCKS_PER_STEP
    }
    return evicted
  }

  async #evictFromBlocks(wanted: number, expired: boolean): Promise<number> {
    let evicted = 0
    while (evicted < wanted) {
      const limit = Math.min(wanted - evicted, this.#options.pruneBatchSize)
      const [row] = await this.#driver.query(this.#sql.evictBlocks, [
        this.#evictFrom,
        BLOCKS_PER_STEP,
        limit,
        expired,
      ])
      const count = Number(row?.[0])
      evicted += count
      if (count < limit) break
    }
    return evicted
  }
}

function perCap(figure: (cap: 0 | 1) => number): PerCap {
  return [figure(0), figure(1)]
}
