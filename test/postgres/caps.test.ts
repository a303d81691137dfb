// Caps on the table: what is beyond them is evicted in the sweeper's turn.

import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type CacheOptions, PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { nextEvent } from '../next-event.ts'

const { url: connectionString, query } = await createDatabase()
// Nothing but hints and the feed makes it sync within a test.
const reader = new PostgresCache({ connectionString, pruneInterval: '1h', maxStaleness: '10m' })
const writer = new PostgresCache({ connectionString, pruneInterval: '1h', local: false })
beforeAll(() => Promise.all([reader.connect(), writer.connect()]))
beforeEach(() => query('delete from postgres_cache.entries'))
afterAll(() => Promise.all([reader.close(), writer.close()]))

function keysOf(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${name} ${i}`)
}

/** How many entries one turn of a sweeper with these caps evicts. */
async function sweep(store: CacheOptions['store']): Promise<number> {
  await query(`update postgres_cache.state set swept_at = '-infinity'`)
  await using sweeper = new PostgresCache({ connectionString, local: false, store, pruneInterval: 10 })
  const swept = nextEvent(sweeper, 'swept')
  await sweeper.connect()
  return (await swept).evicted
}

async function present(keys: readonly string[]): Promise<number> {
  return (await writer.getMany(keys)).filter((value) => value !== undefined).length
}

describe('beyond store.maxEntries', () => {
  it('what was written first is evicted', async () => {
    const first = keysOf('first', 40)
    const second = keysOf('second', 40)
    const third = keysOf('third', 40)
    for (const keys of [first, second, third, first.slice(0, 10)]) {
      await writer.setMany(
        keys.map((key) => [key, 1]),
        { ttl: keys === second ? '2h' : '1h' },
      )
    }
    expect(await sweep({ maxEntries: 100 })).toBe(20)
    expect(await Promise.all([first, second, third].map(present))).toEqual([20, 40, 40])
    expect(await sweep({ maxEntries: 45 })).toBe(55)
    expect(await Promise.all([first.slice(0, 10), second, third].map(present))).toEqual([10, 0, 35])
    expect(await sweep({ maxEntries: 45 })).toBe(0)
  })

  it('what has expired does not count, and what is written again is not first', async () => {
    await writer.setMany(
      keysOf('kept', 50).map((key) => [key, 1]),
      { ttl: null },
    )
    await writer.increment('counter')
    await writer.set('between', 1)
    await writer.increment('counter')
    await writer.setMany(
      keysOf('expired', 200).map((key) => [key, 1]),
      { ttl: 1 },
    )
    await expect.poll(() => present(keysOf('expired', 200))).toBe(0)
    expect(await sweep({ maxEntries: 52 })).toBe(0)
    expect(await sweep({ maxEntries: 1 })).toBe(51)
    expect(await writer.get('counter')).toBe(2)
  })

  it('the local caches of others hear of it, and of what is set afterwards', async () => {
    await writer.set('held', 'old')
    await expect.poll(async () => [await reader.get('held'), reader.peek('held')]).toEqual(['old', 'old'])
    await writer.set('kept', 1, { ttl: null })
    const evicted = nextEvent(reader, 'evicted')
    expect(await sweep({ maxEntries: 1 })).toBe(1)
    expect(await evicted).toEqual({ key: 'held', reason: 'changed' })
    await writer.set('held', 'new')
    expect(await reader.get('held')).toBe('new')
  })

  it('a load that began before what was evicted is not stored over its absence', async () => {
    const value = await reader.getOrSet('loaded', async () => {
      await writer.set('loaded', 'set meanwhile')
      expect(await sweep({ maxEntries: 1 })).toBe(0)
      await writer.set('kept', 1, { ttl: null })
      expect(await sweep({ maxEntries: 1 })).toBe(1)
      return 'from before'
    })
    expect(value).toBe('from before')
    expect(await reader.get('loaded', { fresh: true })).toBeUndefined()
  })

  it('a young entry leaves a row that holds nothing but its version, and no invalidation', async () => {
    await writer.set('young', 'a value', { ttl: '1h', grace: '1h', tags: ['a tag'] })
    const version = `select written_by::text from postgres_cache.entries where key = 'young'`
    const [written] = await query(version)
    await query('delete from postgres_cache.invalidations')
    await writer.set('kept', 1, { ttl: null })
    expect(await sweep({ maxEntries: 1 })).toBe(1)
    expect(await query(version)).toEqual([written])
    expect(
      await query(
        `select num_nonnulls(value, bytes, codec, tags) as kept, (select count(*)::integer from postgres_cache.invalidations) as log
         from postgres_cache.entries where key = 'young'`,
      ),
    ).toEqual([{ kept: 0, log: 0 }])
    expect(await writer.get('young')).toBeUndefined()
    expect(await writer.getEntry('young')).toBeUndefined()
    expect(await writer.touch('young', '1h')).toBe(false)
    expect(await writer.add('young', 'another')).toBe(true)
    expect(await writer.get('young')).toBe('another')
  })

  it('an entry that a transaction holds stays', async () => {
    await writer.set('locked', 1)
    await writer.set('free', 1)
    const client = new Client(connectionString)
    await client.connect()
    await client.query('begin')
    await client.query(`select from postgres_cache.entries where key = 'locked' for update`)
    expect(await sweep({ maxEntries: 1 })).toBe(1)
    await client.query('rollback')
    await client.end()
    expect(await writer.getMany(['locked', 'free'])).toEqual([1, undefined])
  })
})

it('what comes between two turns is evicted before the next', async () => {
  await query(`update postgres_cache.state set swept_at = '-infinity'`)
  const sweptAt = 'select swept_at from postgres_cache.state'
  await using sweeper = new PostgresCache({
    connectionString,
    local: false,
    store: { maxEntries: 100 },
    pruneInterval: '5s',
  })
  const turn = nextEvent(sweeper, 'swept')
  await sweeper.connect()
  await turn
  const before = await query(sweptAt)
  await writer.setMany(keysOf('between', 300).map((key) => [key, 1]))
  const evicted = await nextEvent(sweeper, 'swept')
  expect(evicted.removed).toBe(0)
  expect(evicted.evicted).toBeGreaterThanOrEqual(200)
  expect(await present(keysOf('between', 300))).toBeLessThanOrEqual(100)
  expect(await query(sweptAt)).toEqual(before)
})

describe('beyond store.maxBytes', () => {
  it('what has expired loses its value first', async () => {
    const large = (): string => randomBytes(7_500).toString('base64')
    await writer.setMany(
      keysOf('expired', 50).map((key) => [key, large()]),
      { ttl: 1 },
    )
    await writer.setMany(keysOf('live', 40).map((key) => [key, large()]))
    await expect.poll(() => present(keysOf('expired', 50))).toBe(0)
    expect(await sweep({ maxBytes: 500_000 })).toBeGreaterThanOrEqual(40)
    expect(await present(keysOf('live', 40))).toBe(40)
  })

  it('rows without a value do not drive out those with one', async () => {
    await writer.setMany(keysOf('gone', 2_000).map((key) => [key, 'x'.repeat(100)]))
    expect(await sweep({ maxEntries: 1 })).toBe(1_999)
    await query(`delete from postgres_cache.entries where expires_at > clock_timestamp()`)
    await writer.setMany(keysOf('live', 100).map((key) => [key, 'x'.repeat(500)]))
    // What is left of the evicted ones takes more than the cap by itself.
    expect(await sweep({ maxBytes: 150_000 })).toBe(0)
    expect(await present(keysOf('live', 100))).toBe(100)
  })

  it('as much is evicted as makes the rest fit', async () => {
    const keys = keysOf('large', 100)
    await writer.setMany(keys.map((key) => [key, randomBytes(7_500).toString('base64')]))
    expect(await sweep({ maxBytes: 500_000 })).toBeGreaterThanOrEqual(50)
    const left = await present(keys)
    expect(left * 10_000).toBeLessThanOrEqual(500_000)
    expect(left * 10_000).toBeGreaterThan(450_000)
  })
})

it('without caps nothing is evicted', async () => {
  await writer.setMany(keysOf('kept', 50).map((key) => [key, 1]))
  expect(await sweep({})).toBe(0)
})

it('a table that is too large to be counted is judged by parts of it', { timeout: 120_000 }, async () => {
  const count = 20_000
  for (let from = 0; from < count; from += 2_000) {
    await writer.setMany(
      Array.from({ length: 2_000 }, (_, i) => [`many ${from + i}`, randomBytes(400).toString('base64')]),
    )
  }
  const [size] = await query<{ blocks: number }>(
    `select (pg_relation_size('postgres_cache.entries') / 8192)::integer as blocks`,
  )
  expect(size?.blocks).toBeGreaterThan(1_024)
  const evicted = await sweep({ maxEntries: 15_000 })
  console.log(`of ${count} entries ${evicted} were evicted for a cap of 15,000`)
  expect(evicted).toBeGreaterThan(4_500)
  expect(evicted).toBeLessThan(5_500)
})
