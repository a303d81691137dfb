// Two writes of one key at the same time, on real connections: the second is called while the first one's transaction is open. What both answer, and
// what is there afterwards, is what it would be one after the other, in one of the two orders. Without the lock of the row it is not.

import { isDeepStrictEqual } from 'node:util'
import { Client } from 'pg'
import { afterAll, describe, expect, it } from 'vitest'
import { createDatabase, type TestDatabase } from '../database.ts'

const WORLD = '(select s.world::text from postgres_cache.state as s)'
const PATIENCE_MS = 120_000
const LOCK = / for (?:no key )?update;/

/** The functions as src/postgres/atomic-store.ts calls them; $1 is the key, $2 the version that was there at the beginning. */
const calls = {
  add: `select done::text as answer, $2::text as unused
    from postgres_cache.write_if(${WORLD}, '20s', $1, '50', null, null, null, 60000, 60000, null)`,
  compareAndSet: `select done::text as answer
    from postgres_cache.write_if(${WORLD}, '20s', $1, '7', null, null, null, 60000, 60000, $2)`,
  take: `select taken::text || coalesce(value, '') as answer, $2::text as unused
    from postgres_cache.take_entry(${WORLD}, '20s', $1)`,
  increment: `select result as answer, $2::text as unused
    from postgres_cache.increment_entry(${WORLD}, '20s', $1, 5, null, 60000, 60000)`,
  set: `select 'set' as answer, $2::text as unused
    from postgres_cache.write_entries(${WORLD}, '20s', array[$1], array['100'], null, null, null, '{60000}', '{60000}', null)`,
} as const
type Call = keyof typeof calls
const CALLS = Object.keys(calls) as Call[]

const write = (value: string, freshMs: number): string =>
  `select from postgres_cache.write_entries(
     ${WORLD}, '20s', array[$1], array['${value}'], null, null, array['{tag}'], '{${freshMs}}', '{60000}', null
   )`
const beginnings: Readonly<Record<string, readonly string[]>> = {
  nothing: [],
  'a fresh entry': [write('1', 60_000)],
  'a stale entry': [write('1', -1)],
  'a void row': [
    write('1', 60_000),
    `select postgres_cache.invalidate_targets(${WORLD}, '{ttag}', null), $1::text`,
  ],
}

interface Outcome {
  readonly first: string
  readonly second: string
  readonly left: string | null
}

async function removeLock({ query }: TestDatabase, name: string): Promise<void> {
  const [row] = await query<{ definition: string }>(
    `select pg_get_functiondef('postgres_cache.${name}'::regproc) as definition`,
  )
  const definition = row?.definition ?? ''
  expect(definition).toMatch(LOCK)
  await query(definition.replace(LOCK, ';'))
}

class Duel {
  readonly database: TestDatabase
  readonly #first: Client
  readonly #second: Client
  #keys = 0
  /** How often the second has waited for the first. */
  waits = 0

  private constructor(database: TestDatabase) {
    this.database = database
    this.#first = new Client(database.url)
    this.#second = new Client(database.url)
  }

  /** With `without`, that function does not lock the row first. */
  static async open({ without }: { without?: string } = {}): Promise<Duel> {
    const database = await createDatabase()
    await database.install()
    await database.query('select postgres_cache.settle_world()')
    if (without !== undefined) await removeLock(database, without)
    const duel = new Duel(database)
    await Promise.all([duel.#first.connect(), duel.#second.connect()])
    return duel
  }

  async close(): Promise<void> {
    await Promise.all([this.#first.end(), this.#second.end()])
  }

  /** The second call begins while the first one's transaction is open. */
  async overlapping(
    beginning: string,
    first: Call,
    second: Call,
    end: 'commit' | 'rollback',
  ): Promise<Outcome> {
    const [key, version] = await this.#begin(beginning)
    await this.#first.query('begin')
    const answer = await this.#call(this.#first, first, key, version)
    const waiting = this.#call(this.#second, second, key, version)
    if (await this.#waits(waiting)) this.waits++
    await this.#first.query(end)
    return { first: answer, second: await waiting, left: await this.#left(key) }
  }

  async inTurn(beginning: string, first: Call, second: Call): Promise<Outcome> {
    const [key, version] = await this.#begin(beginning)
    const answer = await this.#call(this.#first, first, key, version)
    return {
      first: answer,
      second: await this.#call(this.#second, second, key, version),
      left: await this.#left(key),
    }
  }

  async alone(beginning: string, call: Call): Promise<Omit<Outcome, 'first'>> {
    const [key, version] = await this.#begin(beginning)
    return { second: await this.#call(this.#second, call, key, version), left: await this.#left(key) }
  }

  async #begin(beginning: string): Promise<[key: string, version: string]> {
    const key = `key ${++this.#keys}`
    for (const statement of beginnings[beginning] ?? []) await this.database.query(statement, [key])
    const [row] = await this.database.query<{ version: string }>(
      'select written_by::text as version from postgres_cache.entries where key = $1',
      [key],
    )
    return [key, row?.version ?? '1']
  }

  async #call(client: Client, call: Call, key: string, version: string): Promise<string> {
    const { rows } = await client.query<{ answer: string }>(calls[call], [key, version])
    return rows[0]?.answer ?? ''
  }

  /** Whether it comes to wait for a lock before it is answered. */
  async #waits(answer: Promise<unknown>): Promise<boolean> {
    let isAnswered = false
    const noted = answer.finally(() => (isAnswered = true))
    for (;;) {
      const waiting = await this.database.query(
        `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
      )
      if (waiting.length > 0) return true
      if (isAnswered) return false
      await Promise.race([noted, new Promise(setImmediate)])
    }
  }

  async #left(key: string): Promise<string | null> {
    const [row] = await this.database.query<{ value: string }>(
      'select value from postgres_cache.valid_entries where key = $1 and fresh_until > clock_timestamp()',
      [key],
    )
    return row?.value ?? null
  }
}

const pairs = CALLS.flatMap((first) => CALLS.map((second) => [first, second] as const))

/** A pair that is not what it would be in turn. */
async function findViolation(duel: Duel, beginning: string): Promise<object | undefined> {
  for (const [first, second] of pairs) {
    const overlapping = await duel.overlapping(beginning, first, second, 'commit')
    const one = await duel.inTurn(beginning, first, second)
    const { first: b, second: a, left } = await duel.inTurn(beginning, second, first)
    const allowed = [one, { first: a, second: b, left }]
    // A set is as old as the moment when it began to wait, so that what takes the entry away meanwhile takes it, too: a miss.
    if (first === 'take' && second === 'set') allowed.push({ ...one, left: null })
    if (!allowed.some((outcome) => isDeepStrictEqual(outcome, overlapping)))
      return { first, second, overlapping, allowed }
  }
  return undefined
}

describe.each(Object.keys(beginnings))('where %s is', (beginning) => {
  let duel: Duel
  afterAll(() => duel?.close())

  it('overlapping calls answer and leave what they would in turn', { timeout: PATIENCE_MS }, async () => {
    duel = await Duel.open()
    expect(await findViolation(duel, beginning)).toBeUndefined()
    expect(duel.waits).toBeGreaterThan(0)
  })

  it('what is rolled back was never there for the other', { timeout: PATIENCE_MS }, async () => {
    for (const [first, second] of pairs) {
      const { second: answer, left } = await duel.overlapping(beginning, first, second, 'rollback')
      expect([first, second, { second: answer, left }]).toEqual([
        first,
        second,
        await duel.alone(beginning, second),
      ])
    }
  })
})

it.each(['write_if', 'increment_entry', 'take_entry'])(
  'that breaks where %s does not lock the row first',
  { timeout: PATIENCE_MS },
  async (without) => {
    const duel = await Duel.open({ without })
    const violation = await findViolation(duel, 'a fresh entry')
    await duel.close()
    expect(violation).toBeDefined()
  },
)
