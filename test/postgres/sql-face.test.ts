import { Client } from 'pg'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { held } from '../held.ts'

const database = await createDatabase()
const cache = new PostgresCache({ connectionString: database.url })
await cache.connect()
afterAll(() => cache.close())
beforeEach(() => cache.clear())

/** The one value that an expression over the functions of the schema yields. */
async function value(expression: string): Promise<unknown> {
  const [row] = await database.query<{ value: unknown }>(
    `select ${expression.replaceAll('@', 'postgres_cache.')} as value`,
  )
  return row?.value
}

describe('the functions for SQL', () => {
  it('get what the library has set, and null for a miss', async () => {
    await cache.set('a', { n: 1 })
    expect(await value(`@get('a')`)).toEqual({ n: 1 })
    expect(await value(`@get('b')`)).toBeNull()
    expect(await value(`@get(null)`)).toBeNull()
  })

  it('set what the library gets', async () => {
    expect(await value(`@set('a', '{"n": 2}', '1 hour', array['t', null])`)).toBe(true)
    expect(await cache.get('a', { fresh: true })).toEqual({ n: 2 })
    expect((await cache.getEntry('a'))?.tags).toEqual(['t'])
    await value(`@set('for ever', 'null', null)`)
    expect(await cache.getEntry('for ever')).toMatchObject({ value: null, ttl: null, expiresAt: null })
  })

  it('set nothing over what has changed while their own statement read it', async () => {
    const caller = new Client({ connectionString: database.url })
    await caller.connect()
    await database.query('select pg_advisory_lock(1)')
    // What it reads before it waits for the lock is all that it knows.
    const setting = caller.query(
      `select postgres_cache.set('read slowly', '"old"') from (select pg_advisory_xact_lock(1) offset 0) as read`,
    )
    await expect
      .poll(() =>
        database.query(`select from pg_locks where locktype = 'advisory' and objid = 1 and not granted`),
      )
      .toHaveLength(1)
    await cache.invalidate('read slowly')
    await database.query('select pg_advisory_unlock(1)')
    await setting
    await caller.end()
    expect(await cache.get('read slowly', { fresh: true })).toBeUndefined()
  })

  it.each([
    `@set(null, '1')`,
    `@set('a', null)`,
    `@set('', '1')`,
    `@set(repeat('k', 1025), '1')`,
    `@set('a', '1', tags => array['t', repeat('t', 1025)])`,
    `@set('a', '1', '0')`,
    `@set('a', '1', '-1 second')`,
  ])('refuse %s', async (call) => {
    await expect(value(call)).rejects.toThrow(/postgres-cache/)
  })

  it('delete and invalidate keys, tags and prefixes; nulls and empty lists are nothing', async () => {
    await cache.setMany(['a', 'b', 'c', 'p:1'].map((key) => ({ key, value: key, tags: [`tag ${key}`] })))
    expect(await value(`@delete('a', 'x', null)`)).toBe('1')
    expect(await value(`@delete(variadic '{}')`)).toBe('0')
    await value(`@invalidate('b', null)`)
    await value(`@invalidate(variadic '{}')`)
    await value(`@invalidate_tags('tag c')`)
    await value(`@invalidate_tags(variadic null)`)
    expect(await cache.getMany(['a', 'b', 'c', 'p:1'], { fresh: true })).toEqual([
      undefined,
      undefined,
      undefined,
      'p:1',
    ])
    await value(`@invalidate_prefix(null)`)
    expect(await cache.get('p:1', { fresh: true })).toBe('p:1')
    await value(`@invalidate_prefix('p:')`)
    expect(await cache.get('p:1', { fresh: true })).toBeUndefined()
  })

  it('ignore what is longer than any key or tag, and does not fit the index', async () => {
    await cache.setMany(['a', 'b'].map((key) => ({ key, value: key, tags: [`tag ${key}`] })))
    const tooLong = `(select string_agg(md5(i::text), '') from generate_series(1, 200) as i)`
    await value(`@invalidate(${tooLong}, 'a')`)
    await value(`@invalidate_tags('tag b', ${tooLong})`)
    await value(`@append_invalidations(array['k' || ${tooLong}], null)`)
    await value(`@invalidate_prefix(${tooLong})`)
    expect(await cache.getMany(['a', 'b'], { fresh: true })).toEqual([undefined, undefined])
  })

  it('take effect when the transaction commits', async () => {
    await cache.set('a', 1)
    await database.query(`begin; select postgres_cache.invalidate('a')`)
    expect(await cache.get('a', { fresh: true })).toBe(1)
    await database.query('rollback')
    expect(await cache.get('a', { fresh: true })).toBe(1)
  })

  it('count where a session has switched off its triggers', async () => {
    await using other = new PostgresCache({ connectionString: database.url })
    await cache.setMany([
      { key: 'key', value: 1 },
      { key: 'tagged', value: 1, tags: ['tag'] },
      { key: 'prefixed:1', value: 1 },
      { key: 'overwritten', value: 1 },
    ])
    const keys = ['key', 'tagged', 'prefixed:1', 'overwritten']
    for (const key of keys) expect(await held(other, key)).toBe(1)
    await database.query('begin; set local session_replication_role = replica')
    await value(`@invalidate('key')`)
    await value(`@invalidate_tags('tag')`)
    await value(`@invalidate_prefix('prefixed:')`)
    await value(`@set('overwritten', '2')`)
    await database.query('commit')
    expect(await cache.getMany(keys, { fresh: true })).toEqual([undefined, undefined, undefined, 2])
    await other.sync()
    expect(await other.getMany(keys)).toEqual([undefined, undefined, undefined, 2])
  })

  it('list what is live with its value as json', async () => {
    await cache.set('a', [1], { ttl: '1m' })
    await cache.set('bytes', Buffer.from('x'))
    await cache.set('gone', 1)
    await cache.delete('gone')
    const rows = await database.query('select key, value from postgres_cache.live_entries order by key')
    expect(rows).toEqual([
      { key: 'a', value: [1] },
      { key: 'bytes', value: null },
    ])
  })

  it('prune what is expired or void', async () => {
    await cache.set('a', 1)
    await cache.clear()
    expect(Number(await value('@prune()'))).toBeGreaterThan(0)
    expect(await database.query('table postgres_cache.entries')).toEqual([])
  })
})
