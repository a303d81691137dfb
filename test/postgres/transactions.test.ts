import { Client, Pool } from 'pg'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { NullCache, PostgresCache, type TransactionLike } from '../../src/index.ts'
import { createDatabase } from '../database.ts'

const database = await createDatabase()
const connectionString = database.url
const cache = new PostgresCache({ connectionString })
const other = new PostgresCache({ connectionString })
const client = new Client({ connectionString })
await client.connect()
afterAll(() => Promise.all([cache.close(), other.close(), client.end()]))
beforeEach(async () => {
  await client.query('rollback')
  await cache.clear()
  await other.sync()
})

const fresh = (key: string): Promise<unknown> => other.get(key, { fresh: true })

describe('inside a transaction', () => {
  it('nothing is visible to others before the commit, and everything after it', async () => {
    await cache.setMany([
      { key: 'tagged', value: 1, tags: ['t'] },
      { key: 'gone', value: 1 },
      { key: 'p:1', value: 1 },
    ])
    await client.query('begin')
    const cached = await cache.withTransaction(client)
    await cached.set('new', { a: 1 }, { ttl: '1m' })
    await cached.invalidateTags('t')
    await cached.delete('gone')
    await cached.deleteByPrefix('p:')
    expect(await other.getMany(['new', 'tagged', 'gone', 'p:1'], { fresh: true })).toEqual([
      undefined,
      1,
      1,
      1,
    ])
    expect(await cache.getMany(['new', 'tagged', 'gone', 'p:1'])).toEqual([undefined, 1, 1, 1])

    await client.query('commit')
    const after = [{ a: 1 }, undefined, undefined, undefined]
    expect(await cache.getMany(['new', 'tagged', 'gone', 'p:1'])).toEqual(after)
    expect(await other.getMany(['new', 'tagged', 'gone', 'p:1'], { fresh: true })).toEqual(after)
  })

  it('nothing stays of what is rolled back, to a savepoint or altogether', async () => {
    await cache.setMany([
      ['a', 1],
      ['b', 1],
    ])
    await client.query('begin')
    const cached = await cache.withTransaction(client)
    await cached.invalidate('a')
    await client.query('savepoint s')
    await cached.invalidate('b')
    await cached.set('c', 1)
    await client.query('rollback to savepoint s')
    await client.query('commit')
    expect(await other.getMany(['a', 'b', 'c'], { fresh: true })).toEqual([undefined, 1, undefined])

    await client.query('begin')
    await (await cache.withTransaction(client)).invalidate('b')
    await client.query('rollback')
    expect(await fresh('b')).toBe(1)
    expect(await cache.get('b')).toBe(1)
  })

  it('set and invalidate do what their order says', async () => {
    await client.query('begin')
    const cached = await cache.withTransaction(client)
    await cached.invalidate('a')
    await cached.set('a', 'set last')
    await cached.set('b', 'invalidated last')
    await cached.invalidate('b')
    await cached.set('c', 'tag last', { tags: ['t'] })
    await cached.invalidateTags('t')
    expect([await cached.get('a'), await cached.get('b'), await cached.get('c')]).toEqual([
      'set last',
      undefined,
      undefined,
    ])
    await client.query('commit')
    expect(await other.getMany(['a', 'b', 'c'], { fresh: true })).toEqual(['set last', undefined, undefined])
  })

  it('get misses on a client that parses nothing', async () => {
    const raw = new Client({
      connectionString: database.url,
      types: { getTypeParser: () => (text: string) => text },
    })
    await raw.connect()
    await raw.query('begin')
    const tx = await cache.withTransaction(raw)
    const errors = cache.stats().errors
    expect(await tx.get('nothing there')).toBeUndefined()
    await tx.set('there', 1)
    expect(await tx.get('there')).toBe(1)
    await raw.query('rollback')
    await raw.end()
    expect(cache.stats().errors).toBe(errors)
  })

  it('a later set in the same transaction replaces an earlier one', async () => {
    await client.query('begin')
    const cached = await cache.withTransaction(client)
    await cached.set('a', 1)
    await cached.set('a', 2)
    await client.query('commit')
    expect(await fresh('a')).toBe(2)
  })

  it('a set of a key that somebody else has set meanwhile becomes an invalidation', async () => {
    await client.query('begin')
    const cached = await cache.withTransaction(client)
    await other.set('a', 'theirs')
    await cached.set('a', 'ours')
    await client.query('commit')
    expect(await fresh('a')).toBeUndefined()
  })

  it('a set of a key that another transaction holds becomes an invalidation, within a bound', async () => {
    await cache.set('a', 'before')
    const holder = new Client({ connectionString })
    await holder.connect()
    await holder.query('begin')
    await (await cache.withTransaction(holder)).set('a', 'theirs')

    await client.query('begin')
    const cached = await cache.withTransaction(client)
    const started = performance.now()
    await cached.set('a', 'ours')
    console.log(`a set of a held key took ${Math.round(performance.now() - started)} ms`)
    await client.query('commit')
    expect(await fresh('a')).toBeUndefined()
    await holder.query('commit')
    await holder.end()
    // Whichever commits last, neither value is served that the other's change has made wrong.
    expect(await fresh('a')).toBeUndefined()
  })

  it('a load that began before the commit does not bring back the old value over what was set', async () => {
    await database.query('create table if not exists source (id integer primary key, name text)')
    await database.query(`insert into source values (1, 'old') on conflict (id) do update set name = 'old'`)
    await client.query('begin')
    const cached = await cache.withTransaction(client)
    await client.query(`update source set name = 'new' where id = 1`)
    await cached.set('source:1', 'new')
    const loaded = await other.getOrSet('source:1', async () => {
      const [row] = await database.query<{ name: string }>('select name from source where id = 1')
      await client.query('commit')
      return row?.name
    })
    expect(loaded).toBe('old')
    expect(await fresh('source:1')).toBe('new')
  })

  it('get sees what REPEATABLE READ sees', async () => {
    await cache.set('a', 1)
    await client.query('begin isolation level repeatable read')
    const cached = await cache.withTransaction(client)
    expect(await cached.get('a')).toBe(1)
    await other.set('a', 2)
    expect(await cached.get('a')).toBe(1)
    await client.query('commit')
    expect(await fresh('a')).toBe(2)
  })

  it.each(['repeatable read', 'serializable'])('everything works at %s', async (isolation) => {
    await cache.set('a', 1)
    await client.query(`begin isolation level ${isolation}`)
    const cached = await cache.withTransaction(client)
    await cached.get('a')
    await other.set('a', 2)
    await cached.set('a', 3)
    await cached.invalidate('b')
    await client.query('commit')
    expect(await fresh('a')).toBeUndefined()
  })
})

describe('outside of one', () => {
  it('refuses to go on after the commit', async () => {
    await client.query('begin')
    const cached = await cache.withTransaction(client)
    await client.query('commit')
    await expect(cached.invalidate('a')).rejects.toMatchObject({ code: 'transaction-ended' })
    await expect(cached.set('a', 1)).rejects.toMatchObject({ code: 'transaction-ended' })
    await expect(cached.get('a')).rejects.toMatchObject({ code: 'transaction-ended' })
    expect(await fresh('a')).toBeUndefined()
  })

  it('refuses to read where none was begun', async () => {
    const cached = await cache.withTransaction(client)
    await expect(cached.get('a')).rejects.toMatchObject({ code: 'transaction-ended' })
  })

  it('refuses a pool, and takes a client of it', async () => {
    const pool = new Pool({ connectionString })
    for (const each of [cache, cache.namespace('n'), new NullCache()])
      await expect(each.withTransaction(pool)).rejects.toMatchObject({
        code: 'invalid-option',
        option: 'tx',
        message: expect.stringContaining('await pool.connect()'),
      })
    const taken = await pool.connect()
    await taken.query('begin')
    expect(await (await cache.withTransaction(taken)).get('a')).toBeUndefined()
    await taken.query('rollback')
    taken.release()
    await pool.end()
  })

  it('takes a client that resolves to the rows, and refuses one that does to something else', async () => {
    await client.query('begin')
    const rows = await cache.withTransaction({
      query: async (text, values) => (await client.query(text, values)).rows,
    })
    await rows.set('from rows', 1)
    expect(await rows.get('from rows')).toBe(1)
    await client.query('rollback')
    for (const result of [1, undefined, [], [['1:1:', '1']], { rows: 'none' }]) {
      const wrong = { query: async () => result } as unknown as TransactionLike
      await expect(cache.withTransaction(wrong)).rejects.toMatchObject({
        code: 'invalid-option',
        option: 'tx',
      })
    }
  })

  it('refuses bad input before the database sees it', async () => {
    await client.query('begin')
    const cached = await cache.withTransaction(client)
    await expect(cached.set('', 1)).rejects.toMatchObject({ code: 'invalid-key' })
    await expect(cached.set('a', undefined)).rejects.toMatchObject({ code: 'invalid-value' })
    await expect(cached.set('a', 1, { ttl: 0 })).rejects.toMatchObject({ code: 'invalid-ttl' })
    await expect(cached.invalidateTags([''])).rejects.toMatchObject({ code: 'invalid-tag' })
    await cached.invalidate('a')
    await client.query('commit')
  })

  it('refuses to delete by an empty prefix, as the cache does', async () => {
    await cache.set('kept', 1)
    await client.query('begin')
    for (const each of [cache, cache.namespace('n'), new NullCache()]) {
      const cached = await each.withTransaction(client)
      await expect(cached.deleteByPrefix('')).rejects.toMatchObject({ code: 'invalid-key' })
    }
    await client.query('commit')
    expect(await fresh('kept')).toBe(1)
  })
})
