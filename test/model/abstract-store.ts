// The store without a database: a list of committed transactions. A snapshot of a primary is how many of them it sees,
// and so is a cursor of the feed. What is valid, what a fill is refused for and what the feed tells are the rules of
// sql/0001_store.sql to sql/0005_transactions.sql. Sweeping and fences only ever take entries away and are left out.

import type { Change } from '../../src/core/change.ts'
import type { ModelClock } from './model-clock.ts'

export interface Write {
  readonly do: 'set' | 'fill'
  readonly key: string
  readonly tags: readonly string[]
}

export type Step =
  | Write
  /** Appends an invalidation, and removes the row. */
  | { readonly do: 'remove'; readonly key: string }
  /** Appends only. */
  | { readonly do: 'invalidate'; readonly key: string }
  | { readonly do: 'invalidate-tag'; readonly tag: string }
  | { readonly do: 'invalidate-prefix'; readonly prefix: string; readonly of: 'keys' | 'tags' }

export interface Row {
  readonly key: string
  readonly version: string
  readonly tags: readonly string[]
  readonly filled: boolean
  /** Everything that its author could see. */
  readonly asOf: number
  /** Void from the beginning: something that its author could not see had invalidated it. */
  readonly bornVoid: boolean
  readonly expiresAt: number
  /** Number of the transaction that wrote it. */
  readonly from: number
  /** Number of the transaction that overwrote, removed or invalidated it. */
  until: number
}

export interface Transaction {
  readonly version: string
  readonly step: Step | 'new-world'
  /** When it committed. */
  readonly at: number
  /** What the feed tells of it; undefined: it replaced nothing. */
  readonly told: Change | undefined
}

/** A write that has drawn its id and its snapshot, and has not committed. */
export interface Open {
  readonly version: string
  readonly step: Step
  readonly asOf: number
}

const NOTHING: Change = { version: '', keys: [], tags: [], keyPrefixes: [], tagPrefixes: [] }

export class AbstractStore {
  readonly log: Transaction[] = []
  /** Every row there ever was. */
  readonly history: Row[] = []
  world = 1
  /** The snapshot that the present world began with. */
  worldBegan = 0
  /** What the log holds, for telling states apart. */
  text = ''
  /** What a connection that was left on the old primary still reads. */
  #oldRows: ReadonlyMap<string, Row> = new Map()
  /** By key, void ones included. */
  readonly #rows = new Map<string, Row>()
  readonly #locks = new Set<string>()
  readonly #clock: ModelClock
  readonly #ttlMs: number
  #nextVersion = 1

  constructor(clock: ModelClock, ttlMs: number) {
    this.#clock = clock
    this.#ttlMs = ttlMs
  }

  get snapshot(): number {
    return this.log.length
  }

  get nextVersion(): string {
    return String(this.#nextVersion)
  }

  find(key: string): Row | null {
    const row = this.#rows.get(key)
    if (row === undefined || row.bornVoid || row.until <= this.log.length) return null
    return row.expiresAt > this.#clock.now ? row : null
  }

  findInOldWorld(key: string): Row | null {
    return this.#oldRows.get(key) ?? null
  }

  /** Whether a transaction that has written the row is still open. */
  isLocked(key: string): boolean {
    return this.#locks.has(key)
  }

  begin(step: Step, asOf: number = this.snapshot): Open {
    // The snapshot of a fill is that of its load, and it waits for the row at its end.
    if (step.do === 'set') this.#locks.add(step.key)
    return { version: String(this.#nextVersion++), step, asOf }
  }

  rollBack({ step }: Open): void {
    if (step.do === 'set') this.#locks.delete(step.key)
  }

  canCommit({ step }: Open): boolean {
    return step.do !== 'fill' || !this.isLocked(step.key)
  }

  /** The row it wrote; null where it wrote none. */
  commit(open: Open): Row | null {
    this.rollBack(open)
    const { version, step, asOf } = open
    if (step.do === 'fill' && !this.#admits(step, asOf)) return null
    const number = this.log.length + 1
    const replaces = !isWrite(step) || this.#rows.has(step.key)
    this.#end(number, step)
    if (step.do === 'remove') this.#rows.delete(step.key)
    const row = isWrite(step) ? this.#write(step, version, asOf, number) : null
    this.#append({ version, step, at: this.#clock.now, told: replaces ? toChange(version, step) : undefined })
    return row
  }

  /** A crash that emptied the tables, a failover, a restored dump: ids begin anew and mean nothing any more. */
  beginWorld(): void {
    this.#oldRows = new Map([...this.#rows].filter(([key]) => this.find(key) !== null))
    this.#end(this.log.length + 1, 'new-world')
    this.#rows.clear()
    this.#locks.clear()
    this.world++
    this.#nextVersion = 1
    this.#append({ version: '', step: 'new-world', at: this.#clock.now, told: undefined })
    this.worldBegan = this.log.length
  }

  /** The numbers of the transactions that the feed tells of. */
  toldBetween(cursor: number, snapshot: number): number[] {
    const numbers: number[] = []
    for (let number = cursor + 1; number <= snapshot; number++) {
      if (this.log[number - 1]?.told !== undefined) numbers.push(number)
    }
    return numbers
  }

  /** Whether transaction `number` ends what was known of a key before it. */
  affects(number: number, key: string, tags: readonly string[]): boolean {
    return isAffected((this.log[number - 1] as Transaction).step, key, tags)
  }

  #write({ key, tags, do: kind }: Write, version: string, asOf: number, number: number): Row {
    const row: Row = {
      key,
      version,
      tags,
      filled: kind === 'fill',
      asOf,
      bornVoid: this.#isVoided(key, tags, asOf),
      expiresAt: this.#clock.now + this.#ttlMs,
      from: number,
      until: Infinity,
    }
    this.#rows.set(key, row)
    this.history.push(row)
    return row
  }

  #admits({ key, tags }: Write, asOf: number): boolean {
    if (asOf < this.worldBegan || this.#isVoided(key, tags, asOf)) return false
    const present = this.#rows.get(key)
    return present === undefined || present.from <= asOf || (present.filled && present.asOf <= asOf)
  }

  /** Whether something that the snapshot does not see has invalidated the key or a tag. */
  #isVoided(key: string, tags: readonly string[], asOf: number): boolean {
    for (let number = asOf + 1; number <= this.log.length; number++) {
      const { step } = this.log[number - 1] as Transaction
      if (!isWrite(step) && isAffected(step, key, tags)) return true
    }
    return false
  }

  #end(number: number, step: Step | 'new-world'): void {
    for (const row of this.history) {
      if (row.until === Infinity && isAffected(step, row.key, row.tags)) row.until = number
    }
  }

  #append(transaction: Transaction): void {
    this.log.push(transaction)
    const { version, step, at } = transaction
    this.text += `${version} ${step === 'new-world' ? step : showStep(step)} ${this.history.at(-1)?.asOf ?? ''} ${at};`
  }
}

export function toChange(version: string, step: Step): Change {
  if (step.do === 'invalidate-tag') return { ...NOTHING, version, tags: [step.tag] }
  if (step.do === 'invalidate-prefix') {
    return { ...NOTHING, version, [step.of === 'keys' ? 'keyPrefixes' : 'tagPrefixes']: [step.prefix] }
  }
  return { ...NOTHING, version, keys: [step.key] }
}

export function isWrite(step: Step | 'new-world'): step is Write {
  return step !== 'new-world' && 'tags' in step
}

export function showStep(step: Step): string {
  if (step.do === 'invalidate-tag') return `tag ${step.tag}`
  if (step.do === 'invalidate-prefix') return `prefix ${step.of} ${step.prefix}`
  return `${step.do} ${step.key}`
}

export function showOpen({ version, step, asOf }: Open): string {
  return `${version} ${showStep(step)} ${asOf}`
}

function isAffected(step: Step | 'new-world', key: string, tags: readonly string[]): boolean {
  if (step === 'new-world') return true
  if (step.do === 'invalidate-tag') return tags.includes(step.tag)
  if (step.do === 'invalidate-prefix') {
    return (step.of === 'keys' ? [key] : tags).some((each) => each.startsWith(step.prefix))
  }
  return step.key === key
}
