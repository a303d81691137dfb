// Prefixes of their own, say one for each user who logs out: what a read looks at does not grow with them.

import { afterAll, describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'

const { url: connectionString, query } = await createDatabase()
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
