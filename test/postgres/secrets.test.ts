// What fails must not tell: no error, event or figure holds a value, a password, or a key of somebody else.

import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { type CacheOptions, encrypted, PostgresCache } from '../../src/index.ts'
import { renderMetrics } from '../../src/prometheus.ts'
import { createDatabase, type TestDatabase } from '../database.ts'
import { nextEvent } from '../next-event.ts'

// Short: JSON.parse quotes ten characters.
const VALUE = 'secretv'
const KEY = 'secretkey'
const PASSWORD = 'secretpassword'
const ENCRYPTION_KEY = 'secretencryptionkeyof32bytes-yes'

// Bytes are searched as text: inspect() would show them as numbers.
const shown = (told: unknown): string =>
  inspect(told, { depth: Infinity, maxStringLength: null, maxArrayLength: null })
    .replaceAll(/<Buffer ([0-9a-f ]*)>/g, (_, hex: string) =>
      Buffer.from(hex.replaceAll(' ', ''), 'hex').toString(),
    )
    .replaceAll(/[^\x20-\x7e]+/g, ' ')

/** A cache that several callers use, and what each of them and all listeners are told. */
class Witness implements AsyncDisposable {
  readonly cache: PostgresCache
  readonly #events: [string, unknown][] = []
  readonly #errors: { readonly caller: number; readonly error: unknown }[] = []

  constructor(database: TestDatabase, options: CacheOptions = {}) {
    const url = new URL(database.url)
    url.password = PASSWORD
    this.cache = new PostgresCache({ connectionString: url.href, local: false, ...options })
    for (const event of [
      'error',
      'load-failed',
      'sent',
      'session-lost',
      'circuit-opened',
      'degraded',
    ] as const)
      this.cache.on(event, (payload) => this.#events.push([event, payload]))
  }

  get errorCount(): number {
    return this.#errors.length
  }

  get eventCount(): number {
    return this.#events.length
  }

  /** All calls at once, three callers with a key of their own each, so that they share statements. */
  async call(): Promise<void> {
    const { cache } = this
    const value = { [VALUE]: VALUE }
    await Promise.all(
      [1, 2, 3].map(async (caller) => {
        const key = keyOf(caller)
        const tags = [`${key}:tag`]
        const calls = [
          cache.get(key),
          cache.getEntry(key),
          cache.set(key, value, { tags }),
          cache.add(key, value),
          cache.take(key),
          cache.increment(key),
          cache.compareAndSet(key, undefined, value),
          cache.getOrSet(key, () => value, { tags }),
          cache.delete(key),
          cache.invalidateTags(tags),
          cache.touch(key, '1m'),
          cache.sync(),
        ]
        for (const settled of await Promise.allSettled(calls))
          if (settled.status === 'rejected') this.#errors.push({ caller, error: settled.reason })
      }),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cache.close()
  }

  /** What was told that should not have been. */
  leaks(): string[] {
    const leaks: string[] = []
    const search = (told: string, words: readonly string[], where: string): void => {
      for (const word of words)
        if (told.includes(word)) leaks.push(`${word} in ${where}: ${told.slice(0, 600)}`)
    }
    const never = [VALUE, PASSWORD, ENCRYPTION_KEY]
    for (const { caller, error } of this.#errors) {
      const others = [1, 2, 3].filter((other) => other !== caller).map(keyOf)
      search(shown(error), [...never, ...others], 'an error')
    }
    for (const [event, payload] of this.#events) search(shown(payload), never, `the event ${event}`)
    search(shown(this.cache.stats()), [...never, KEY], 'stats()')
    search(renderMetrics(this.cache), [...never, KEY], 'the metrics')
    return leaks
  }
}

const keyOf = (caller: number): string => `${KEY}${caller}`

describe('no value, password or key of somebody else is told', () => {
  it('when a constraint refuses the row', async () => {
    const database = await createDatabase()
    await using witness = new Witness(database)
    await witness.cache.connect()
    await database.query(
      'alter table postgres_cache.entries add constraint none_at_all check (seq < 0) not valid',
    )
    await witness.call()
    expect(witness.errorCount).toBeGreaterThan(5)
    expect(witness.leaks()).toEqual([])
  })

  it('when a trigger of somebody else raises what it sees', async () => {
    const database = await createDatabase()
    await using witness = new Witness(database)
    await witness.cache.connect()
    await database.query(`create function refuse() returns trigger language plpgsql as
      $$ begin raise exception 'refused' using detail = new::text; end $$`)
    await database.query(
      'create trigger refuse before insert on postgres_cache.entries for each row execute function refuse()',
    )
    await witness.call()
    expect(witness.errorCount).toBeGreaterThan(5)
    expect(witness.leaks()).toEqual([])
  })

  it('when statements take too long', async () => {
    const database = await createDatabase()
    await using witness = new Witness(database, { queryTimeout: '300ms' })
    await witness.cache.connect()
    await database.query('begin')
    await database.query('lock table postgres_cache.entries')
    await witness.call()
    await database.query('rollback')
    expect(witness.errorCount).toBeGreaterThan(5)
    expect(witness.leaks()).toEqual([])
  })

  it('when connections are terminated, idle ones too', async () => {
    const database = await createDatabase()
    await using witness = new Witness(database)
    const { cache } = witness
    await cache.connect()
    await witness.call()
    const lost = nextEvent(cache, 'session-lost')
    const idle = nextEvent(cache, 'error', ({ operation }) => operation === 'idle connection')
    await database.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and starts_with(application_name, 'postgres-cache')`,
    )
    await Promise.all([lost, idle])
    expect(witness.eventCount).toBeGreaterThan(2)
    expect(witness.leaks()).toEqual([])
  })

  it('when there is no such database, and when nobody listens at the address', async () => {
    const database = await createDatabase()
    const nowhere = new URL(database.url)
    nowhere.pathname = '/nowhere'
    const nobody = new URL(database.url)
    nobody.port = '1'
    for (const url of [nowhere, nobody]) {
      await using witness = new Witness({ ...database, url: url.href })
      await witness.call()
      expect(witness.errorCount).toBeGreaterThan(5)
      expect(witness.leaks()).toEqual([])
    }
  })

  it('when what is stored cannot be decoded', async () => {
    const database = await createDatabase()
    const codec = encrypted({ keys: { one: Buffer.from(ENCRYPTION_KEY) }, current: 'one' })
    for (const options of [{}, { codec }]) {
      await using witness = new Witness(database, options)
      const { cache } = witness
      for (const caller of [1, 2, 3]) await cache.set(keyOf(caller), { [VALUE]: VALUE })
      await database.query(
        `update postgres_cache.entries set value = $1, bytes = null where value is not null`,
        [`${VALUE}, which is not JSON`],
      )
      await database.query(
        `update postgres_cache.entries set bytes = overlay(bytes placing 'x' from 20) where bytes is not null`,
      )
      for (const caller of [1, 2, 3]) await cache.get(keyOf(caller))
      expect(cache.stats().errors).toBeGreaterThanOrEqual(3)
      expect(witness.leaks()).toEqual([])
      await cache.clear()
    }
  })

  it('when options are wrong', async () => {
    const url = `postgres://app:${PASSWORD}@[host/database`
    const wrong: unknown[] = [
      url,
      { connectionString: url },
      { connectionString: { url } },
      { connectionString: `app:${PASSWORD}@host/database` },
      { connectionString: `postgres://app:${PASSWORD}@127.0.0.1:1/%E0%A4%A` },
      { connectionString: `postgres://app:${PASSWORD}@127.0.0.1/a`, pool: { max: 1, password: PASSWORD } },
      { sessionConnectionString: { url } },
      { connectionString: `postgres://app:#${PASSWORD}@127.0.0.1/a` },
      { sessionConnectionString: `postgres://app:${PASSWORD}/@127.0.0.1/a` },
      { codec: { id: 'none', key: ENCRYPTION_KEY } },
    ]
    for (const options of wrong) {
      const told = shown(await failureOf(options as CacheOptions))
      expect(told).toContain('CacheError')
      expect([PASSWORD, ENCRYPTION_KEY].filter((word) => told.includes(word))).toEqual([])
    }
  })
})

async function failureOf(options: CacheOptions): Promise<unknown> {
  try {
    await using cache = new PostgresCache(options)
    return await cache.connect()
  } catch (error) {
    return error
  }
}
