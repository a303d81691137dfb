// Writes that depend on what is there, of one key each: sql/0007_atomic.sql.

import type { StoredContent, Version } from '../core/entry.ts'
import { toArrayLiteral } from './binary-array.ts'
import type { Driver, Row, Statement } from './driver.ts'
import type { Names } from './names.ts'
import { named } from './statements.ts'
import type { EntryWrite } from './store.ts'

export interface AtomicReply<Result> {
  readonly version: Version
  /** Whether anything was written. */
  readonly done: boolean
  readonly result: Result
}

type Deadlines = Pick<EntryWrite, 'tags' | 'freshMs' | 'keepMs'>

export class AtomicStore {
  readonly #driver: Driver
  readonly #writeIf: Statement
  readonly #increment: Statement
  readonly #take: Statement

  constructor(driver: Driver, { object }: Names) {
    this.#driver = driver
    this.#writeIf = named(
      'write_if',
      `select version, done::text from ${object('write_if')}($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
    )
    this.#increment = named(
      'increment',
      `select version, result from ${object('increment_entry')}($1, $2, $3, $4, $5, $6, $7)`,
    )
    this.#take = named(
      'take',
      `select version, taken::text, value, encode(bytes, 'hex'), codec from ${object('take_entry')}($1, $2, $3)`,
    )
  }

  /** `expected`: the version that must be there; null: nothing fresh may be. */
  async writeIf(
    world: string,
    lockTimeoutMs: number,
    entry: EntryWrite,
    expected: Version | null,
  ): Promise<AtomicReply<boolean>> {
    const { key, text, bytes, codec } = entry
    const row = await this.#run(this.#writeIf, world, lockTimeoutMs, key, [
      text,
      bytes && Buffer.from(bytes),
      codec,
      ...deadlines(entry),
      expected,
    ])
    const done = row[1] === 'true'
    return { version: row[0] ?? '', done, result: done }
  }

  /** Raises PCV01 where something is stored that is not a number. */
  async increment(
    world: string,
    lockTimeoutMs: number,
    key: string,
    by: number,
    otherwise: Deadlines,
  ): Promise<AtomicReply<number>> {
    const row = await this.#run(this.#increment, world, lockTimeoutMs, key, [
      String(by),
      ...deadlines(otherwise),
    ])
    return { version: row[0] ?? '', done: true, result: Number(row[1]) }
  }

  /** Null: nothing fresh was there. */
  async take(world: string, lockTimeoutMs: number, key: string): Promise<AtomicReply<StoredContent | null>> {
    const row = await this.#run(this.#take, world, lockTimeoutMs, key, [])
    const done = row[1] === 'true'
    const bytes = row[3] == null ? null : Buffer.from(row[3], 'hex')
    const taken = { text: row[2] ?? null, bytes, codec: row[4] ?? null }
    return { version: row[0] ?? '', done, result: done ? taken : null }
  }

  async #run(
    statement: Statement,
    world: string,
    lockTimeoutMs: number,
    key: string,
    values: unknown[],
  ): Promise<Row> {
    const [row = []] = await this.#driver.query(statement, [world, `${lockTimeoutMs}ms`, key, ...values])
    return row
  }
}

function deadlines({ tags, freshMs, keepMs }: Deadlines): unknown[] {
  return [tags.length === 0 ? null : toArrayLiteral(tags), freshMs ?? Infinity, keepMs ?? Infinity]
}
