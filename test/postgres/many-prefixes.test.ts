// Prefixes of their own, say one for each user who logs out: what a read looks at does not grow with them.

import { Client } from 'pg'
import { afterAll, describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { createRole } from '../limited-role.ts'

const database = await createDatabase()
const { url: connectionString, query } = database
const cache = new PostgresCache({ connectionString, local: false })
afterAll(() => cache.close())

const KEYS = Array.from({ length: 50 }, (_, i) => `user:${i}:profile`)

/** How many rows of the log of prefixes a read of KEYS looks at, and how many of them are valid. */
async function read(): Promise<{ valid: number; rows: number }> {
  const [row] = await query<{ valid: number; rows: number }>(
    `with valid as materialized (select count(*)::integer as valid from postgres_cache.valid_entries where key = any($1))
    select valid, (
      select (coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::integer from pg_stat_xact_user_tables where relname = 'prefix_invalidations'
    ) as rows
    from valid`,
    [KEYS],
  )
  return row as { valid: number; rows: number }
}

describe('keys beside many prefixes that were invalidated', () => {
  it('are looked up under each length, not beside each prefix', async () => {
    await cache.setMany(KEYS.map((key) => ({ key, value: 1, tags: [`tag of ${key}`], ttl: null })))
    for (let i = 1_000; i < 1_200; i++) await cache.deleteByPrefix(`user:${i}:`)
    const few = await read()
    expect(few.valid).toBe(KEYS.length)

    await query(
      `select postgres_cache.invalidate_prefix('user:' || i || ':') from generate_series(2000, 4999) as i`,
    )
    const many = await read()
    console.log(
      `rows of the log of prefixes for ${KEYS.length} keys: ${few.rows} beside 200, ${many.rows} beside 3,200`,
    )
    expect(many.valid).toBe(KEYS.length)
    expect(many.rows).toBeLessThanOrEqual(few.rows + KEYS.length)
  })

  it('and those that begin with one of them are void, whatever its length', async () => {
    await cache.deleteByPrefix('user:7')
    await cache.deleteByPrefix('user:12:profile')
    await cache.deleteByPrefix('user:13:profile, and more')
    expect(
      await cache.getMany(['user:6:profile', 'user:7:profile', 'user:12:profile', 'user:13:profile']),
    ).toEqual([1, undefined, undefined, 1])
    expect((await read()).valid).toBe(KEYS.length - 2)

    await query(`insert into postgres_cache.prefix_invalidations (prefix) values ('ttag of user:20')`)
    expect((await read()).valid).toBe(KEYS.length - 3)
    await cache.clear()
    expect((await read()).valid).toBe(0)
  })
})

describe('a prefix that is invalidated all the time, while a transaction that has written is left open,', () => {
  it('costs a read no more than one that was invalidated once', async () => {
    const leftOpen = new Client(connectionString)
    await leftOpen.connect()
    try {
      await leftOpen.query('begin; select pg_current_xact_id()')
      for (let i = 0; i < 200; i++) await cache.deleteByPrefix('user:')
      await cache.setMany(KEYS.map((key) => [key, 1]))
      const { valid, rows } = await read()
      console.log(`rows of the log of prefixes for ${KEYS.length} keys: ${rows} beside 200 of one prefix`)
      expect(valid).toBe(KEYS.length)
      expect(rows).toBeLessThanOrEqual(2 * KEYS.length)
      await leftOpen.query(`select postgres_cache.invalidate_prefix('user:4'); commit`)
      expect((await read()).valid).toBe(KEYS.length - 11)
    } finally {
      await leftOpen.end()
    }
  })
})

describe('prefixes of many lengths', () => {
  it('begin a trim, because each of them costs a look', async () => {
    const trims = async (): Promise<unknown> => {
      const [row] = await query<{ trims: boolean }>('select postgres_cache.begin_trim(100000) as trims')
      return row?.trims
    }
    expect(await trims()).toBe(false)
    await query(`select postgres_cache.invalidate_prefix(repeat('x', i)) from generate_series(1, 70) as i`)
    expect(await trims()).toBe(true)
  })

  it('of one transaction are forgotten by the trim, but for one of them', async () => {
    // A sweep is a turn of whoever asks, and a trim takes some of them.
    await using sweeper = new PostgresCache({
      connectionString,
      local: false,
      pruneInterval: '1s',
      loadTimeout: '1s',
    })
    await sweeper.connect()
    await cache.deleteByPrefix('a later one')
    await query(`select postgres_cache.invalidate_prefix(repeat('y', i)) from generate_series(1, 70) as i`)
    const rows = (): Promise<object[]> => query('select from postgres_cache.prefix_invalidations')
    await expect.poll(async () => (await rows()).length, { timeout: 60_000, interval: 200 }).toBe(1)
    expect(await query('select from postgres_cache.state where trim_candidate is not null')).toEqual([])
  }, 90_000)
})

describe('a role that may read live_entries alone', () => {
  it('may read them beside prefixes, too', async () => {
    await using role = await createRole(database, { isOwner: false })
    await query(
      `grant usage on schema postgres_cache to "${role.name}"; grant select on postgres_cache.live_entries to "${role.name}"`,
    )
    await cache.set('older', 1)
    await cache.deleteByPrefix('others')
    const client = new Client(role.url)
    await client.connect()
    try {
      const { rows } = await client.query(`select key from postgres_cache.live_entries where key = 'older'`)
      expect(rows).toEqual([{ key: 'older' }])
    } finally {
      await client.end()
    }
  })
})
