// What every answer of the process is held against: G1, G2, G3 and G6 of docs/guarantees.md, in terms of transactions.
//
// A call demands that its answer reflects certain transactions: those that earlier answers of the process for this key
// reflected, its own acknowledged writes, whatever had committed before a sync() or the call of a fresh read, and what the
// process was told of: a call shares no answer that is older than news. A set of transactions is a mask of their numbers.

import type { AbstractStore, Row } from './abstract-store.ts'
import type { ModelClock } from './model-clock.ts'

export type Demand = number

export interface Answer {
  readonly key: string
  /** The snapshot that it comes from. */
  readonly snapshot: number
  readonly found:
    | Row
    | 'nothing'
    /** What a loader returned; it reflects whatever is visible in the snapshot. */
    | 'loaded'
  readonly tags: readonly string[]
}

export class Violation extends Error {}

// A backward step of the clock goes unseen until the next check.
const EXPIRY_SLACK_MS = 105

export class Promises {
  readonly #store: AbstractStore
  readonly #clock: ModelClock
  readonly #maxStalenessMs: number
  readonly #ofKey = new Map<string, Demand>()
  #ofAll: Demand = 0
  #isInRecovery = false
  #isUnderFreeze = false

  constructor(store: AbstractStore, clock: ModelClock, maxStalenessMs: number) {
    this.#store = store
    this.#clock = clock
    this.#maxStalenessMs = maxStalenessMs
  }

  /** What a call that begins now may demand. */
  demand(key: string): Demand {
    return this.#of(key) | this.#ofAll
  }

  /** What a fresh read demands besides. */
  demandAll(): Demand {
    return upTo(this.#store.snapshot)
  }

  /** An own write of the key was acknowledged. */
  written(key: string, number: number): void {
    this.#ofKey.set(key, this.#of(key) | bit(number))
  }

  /** The process knows of transaction `number`. */
  told(number: number): void {
    this.#ofAll |= bit(number)
  }

  /** The process knows of everything in the snapshot. */
  toldAll(snapshot: number): void {
    this.#ofAll |= upTo(snapshot)
  }

  /** Until the next sync. */
  inRecovery(isInRecovery: boolean): void {
    this.#isInRecovery = isInRecovery
  }

  /** Nothing in the process can notice that it was frozen, until a sync compares clocks with the database. */
  underFreeze(isUnderFreeze: boolean): void {
    this.#isUnderFreeze = isUnderFreeze
  }

  hit(row: Row): void {
    if (this.#isUnderFreeze) return
    if (this.#isInRecovery) throw new Violation(`in recovery a hit returns ${show(row)}`)
    const ended = this.#store.log[row.until - 1]
    if (ended !== undefined && ended.at + this.#maxStalenessMs < this.#clock.now) {
      throw new Violation(`G1: a hit returns ${show(row)}, which ended ${this.#clock.now - ended.at} ms ago`)
    }
    this.isUnexpired(row, 'a hit')
    this.given(
      { key: row.key, snapshot: row.from, found: row, tags: row.tags },
      this.demand(row.key),
      'a hit',
    )
  }

  /** All that is promised of an answer by grace. */
  isUnexpired(row: Row, how: string): void {
    const expiredFor = this.#clock.now - row.expiresAt
    if (expiredFor < EXPIRY_SLACK_MS || this.#isUnderFreeze) return
    throw new Violation(`G6: ${how} returns ${show(row)}, which expired ${expiredFor} ms ago`)
  }

  /** After a sync a hit is what the store holds. */
  hitAtRest(row: Row): void {
    const held = this.#store.find(row.key)
    if (held !== row && row.expiresAt > this.#clock.now)
      throw new Violation(`at rest a hit returns ${show(row)} instead of ${show(held ?? 'nothing')}`)
  }

  given(answer: Answer, demand: Demand, how: string): void {
    const missed = this.#missed(answer, demand)
    if (missed !== undefined) {
      throw new Violation(
        `G2, G3: ${how} returns ${show(answer.found)}, which does not reflect transaction ${missed}`,
      )
    }
    this.#ofKey.set(answer.key, this.#of(answer.key) | this.#reflectedBy(answer))
  }

  /** Whatever the future depends on. */
  state(): string {
    return `${[...this.#ofKey.entries()].join(' ')}|${this.#ofAll} ${this.#isInRecovery} ${this.#isUnderFreeze}`
  }

  #of(key: string): Demand {
    return this.#ofKey.get(key) ?? 0
  }

  #missed({ key, snapshot, found, tags }: Answer, demand: Demand): number | undefined {
    for (let number = snapshot + 1; number <= this.#store.snapshot; number++) {
      if ((demand & bit(number)) === 0) continue
      const isMissed =
        found === 'nothing' ? this.#mustBeThere(key, number, demand) : this.#store.affects(number, key, tags)
      if (isMissed) return number
    }
    return undefined
  }

  /** Whether the transaction wrote an entry of the key that nothing demanded has ended. */
  #mustBeThere(key: string, number: number, demand: Demand): boolean {
    const row = this.#store.history.find(({ from }) => from === number)
    if (row === undefined || row.key !== key || row.bornVoid || row.expiresAt <= this.#clock.now) return false
    return row.until === Infinity || demand < bit(row.until)
  }

  #reflectedBy({ key, snapshot }: Answer): Demand {
    let reflected = 0
    for (const row of this.#store.history) {
      if (row.key !== key) continue
      if (row.from <= snapshot) reflected |= bit(row.from)
      if (row.until <= snapshot) reflected |= bit(row.until)
    }
    return reflected
  }
}

function bit(number: number): number {
  if (number > 30) throw new RangeError(`transaction ${number} does not fit into a mask`)
  return 1 << number
}

function upTo(number: number): number {
  return bit(number + 1) - 1
}

function show(found: Answer['found']): string {
  return typeof found === 'string' ? found : `${found.key} of transaction ${found.from}`
}
