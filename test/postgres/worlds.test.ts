import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { afterAll, describe, expect, it } from 'vitest'
import { startPostgres } from '../../scripts/embedded-postgres.ts'
import { type CacheOptions, PostgresCache } from '../../src/index.ts'
import { Latch } from '../latch.ts'
import { nextEvent } from '../next-event.ts'

// A server of the tests' own, which may crash.
const server = await startPostgres()
afterAll(() => server.stop())

async function onServer<T>(url: string, sql: string): Promise<T[]> {
  const client = new Client(url)
  await client.connect()
  try {
    return (await client.query(sql)).rows as T[]
  } finally {
    await client.end()
  }
}

async function newDatabase(template = 'template0'): Promise<{ name: string; url: string }> {
  const name = `world_${randomBytes(4).toString('hex')}`
  await onServer(server.url, `create database ${name} template ${template}`)
  const url = new URL(server.url)
  url.pathname = `/${name}`
  return { name, url: url.href }
}

async function crash(): Promise<void> {
  await server.kill()
  await server.start()
}

/** Until the circuit is closed again. */
const connected = (cache: PostgresCache): Promise<void> =>
  expect.poll(() => cache.sync().then(() => 'synced', String), { timeout: 15_000 }).toBe('synced')

describe('a crash of the server', () => {
  it('empties an unlogged cache: nothing old is served, and everything works again', async () => {
    const { url: connectionString } = await newDatabase()
    await using cache = new PostgresCache({ connectionString })
    await cache.setMany([
      ['overwritten later', 'old'],
      { key: 'graced', value: 'old', grace: '1h' },
      ['gone', 'old'],
    ])
    const before = (await cache.getEntry('gone'))?.version
    expect(before).toBeDefined()
    await crash()

    const flushed = nextEvent(cache, 'flushed')
    await using other = new PostgresCache({ connectionString })
    await other.set('overwritten later', 'new')
    expect(await other.getMany(['gone', 'graced'])).toEqual([undefined, undefined])
    await connected(cache)
    expect((await flushed).reason).toBe('world')
    expect(await cache.getMany(['overwritten later', 'gone', 'graced'])).toEqual([
      'new',
      undefined,
      undefined,
    ])
    expect(await cache.getEntry('graced')).toBeUndefined()

    await cache.set('again', 1)
    expect(await cache.getOrSet('gone', () => 'loaded')).toBe('loaded')
    expect(await other.getMany(['again', 'gone'], { fresh: true })).toEqual([1, 'loaded'])
    expect(await cache.delete('again')).toBe(true)
    expect(await cache.touch('gone', '1h')).toBe(true)
  })

  it('is survived by a cache whose first call afterwards is a write', async () => {
    const { url: connectionString } = await newDatabase()
    await using cache = new PostgresCache({ connectionString })
    await cache.set('a', 'old')
    await crash()
    await expect
      .poll(() => cache.set('a', 'new').then(() => 'stored', String), { timeout: 15_000 })
      .toBe('stored')
    await using other = new PostgresCache({ connectionString })
    expect(await other.get('a')).toBe('new')
    expect(await cache.get('a')).toBe('new')
  })

  it('voids a load that began before it', async () => {
    const { url: connectionString } = await newDatabase()
    await using cache = new PostgresCache({ connectionString })
    const latch = new Latch()
    const begun = new Latch()
    const load = cache.getOrSet('across', async () => {
      begun.open()
      await latch.opened
      return 'from before'
    })
    await begun.opened
    await crash()
    await connected(cache)
    latch.open()
    expect(await load).toBe('from before')
    expect(await cache.get('across')).toBeUndefined()
    expect(await cache.get('across', { fresh: true })).toBeUndefined()
    expect(await cache.getOrSet('across', () => 'from after')).toBe('from after')
  })

  it('is survived by a logged cache, and brings back nothing that was deleted or overwritten', async () => {
    const { url: connectionString } = await newDatabase()
    const options: CacheOptions = { connectionString, durability: 'logged' }
    await using cache = new PostgresCache(options)
    await cache.setMany([
      ['kept', 'kept'],
      ['overwritten', 'old'],
      ['deleted', 'old'],
      ['cleared:1', 'old'],
    ])
    await cache.set('overwritten', 'new')
    await cache.delete('deleted')
    await cache.deleteByPrefix('cleared:')
    await crash()

    await using other = new PostgresCache(options)
    const keys = ['kept', 'overwritten', 'deleted', 'cleared:1']
    const expected = ['kept', 'new', undefined, undefined]
    expect(await other.getMany(keys)).toEqual(expected)
    await connected(cache)
    expect(await cache.getMany(keys, { fresh: true })).toEqual(expected)
    await cache.set('again', 1)
    expect(await other.get('again', { fresh: true })).toBe(1)
  })
})

describe('a new world', () => {
  it('may be begun by many clients at once, in the middle of anything', async () => {
    const { url: connectionString } = await newDatabase()
    const caches = Array.from(
      { length: 8 },
      () => new PostgresCache({ connectionString, pool: { max: 2 }, queryTimeout: '20s' }),
    )
    // The first of all: nobody has connected yet.
    await Promise.all(caches.map((cache) => cache.connect()))
    for (let round = 1; round <= 10; round++) {
      await onServer(connectionString, 'truncate postgres_cache.state')
      const calls = caches.flatMap((cache, i) => [
        cache.get('read', { fresh: true }),
        cache.set(`written ${i}`, round),
        cache.getOrSet(`loaded ${i}`, () => round),
        cache.sync(),
        cache.delete('gone'),
      ])
      await Promise.all(calls)
      const written = caches.map((_, i) => `written ${i}`)
      await Promise.all(caches.map((cache) => cache.setMany(written.map((key) => [key, round]))))
      for (const cache of caches)
        expect(await cache.getMany(written, { fresh: true })).toEqual(written.map(() => round))
    }
    expect(caches.map((cache) => cache.stats().errors)).toEqual(caches.map(() => 0))
    await Promise.all(caches.map((cache) => cache.close()))
  })
})

describe('a new world that has to wait for a transaction of a caller', () => {
  it.each(['live_entries', 'state'])(
    'neither blocks it nor makes it the victim of a deadlock: one that has read %s',
    async (relation) => {
      const { url: connectionString } = await newDatabase()
      await PostgresCache.migrate({ connectionString })
      const [caller, settler] = [new Client(connectionString), new Client(connectionString)]
      await Promise.all([caller.connect(), settler.connect()])
      await caller.query('truncate postgres_cache.state')
      await caller.query('begin')
      await caller.query(`select from postgres_cache.${relation}`)
      const settled = settler.query<{ world: string }>('select postgres_cache.settle_world() as world')
      // A deadlock is looked for after a second, by whoever has waited for so long: then it is the caller's turn.
      const waiting = `select from pg_stat_activity where datname = current_database() and query ~ '^select postgres_cache.settle_world'
        and state = 'active' and clock_timestamp() - query_start > interval '1200 milliseconds'`
      await expect.poll(() => onServer(connectionString, waiting)).toHaveLength(1)
      const asked = performance.now()
      await caller.query(`select postgres_cache.invalidate('key')`)
      expect(performance.now() - asked).toBeLessThan(900)
      await caller.query('commit')
      expect((await settled).rows[0]?.world).toMatch(/^[0-9a-f-]{36}$/)
      await Promise.all([caller.end(), settler.end()])
    },
  )
})

describe('a new world that begins beside a transaction of a caller', () => {
  it('makes a set there wait until it has begun, and not fail', async () => {
    const { url: connectionString } = await newDatabase()
    await using cache = new PostgresCache({ connectionString })
    await cache.set('key', 'old')
    const [caller, settler] = [new Client(connectionString), new Client(connectionString)]
    await Promise.all([caller.connect(), settler.connect()])
    await caller.query('begin')
    const cached = await cache.withTransaction(caller)
    await settler.query('begin')
    await settler.query('truncate postgres_cache.state')
    await settler.query('select postgres_cache.settle_world()')
    let outcome = 'waits'
    const set = cached.set('key', 'new').then(
      () => (outcome = 'done'),
      (error: unknown) => (outcome = String(error)),
    )
    // A lock_timeout of the cache would be long over.
    const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
      and query ~ 'set_in_transaction' and clock_timestamp() - query_start > interval '300 milliseconds'`
    await expect
      .poll(async () => outcome !== 'waits' || (await onServer(connectionString, waiting)).length === 1)
      .toBe(true)
    await settler.query('commit')
    expect(await set).toBe('done')
    await caller.query('commit')
    expect(await cache.get('key', { fresh: true })).not.toBe('old')
    await Promise.all([caller.end(), settler.end()])
  })
})

describe('a copied database', () => {
  it.each(['unlogged', 'logged'] as const)(
    'is a new world: nothing of the old one is served (%s)',
    async (durability) => {
      const original = await newDatabase()
      const entries = 'select key from postgres_cache.entries'
      {
        await using cache = new PostgresCache({ connectionString: original.url, durability })
        await cache.setMany([['a', 'original'], { key: 'b', value: 'original', grace: '1h', ttl: null }])
      }
      // Backends leave a moment after their clients.
      await expect
        .poll(() => onServer(server.url, `select from pg_stat_activity where datname = '${original.name}'`))
        .toEqual([])
      const copy = await newDatabase(original.name)
      expect(await onServer(copy.url, entries)).toHaveLength(2)

      await using copied = new PostgresCache({ connectionString: copy.url, durability })
      expect(await copied.getMany(['a', 'b'])).toEqual([undefined, undefined])
      expect(await copied.getEntry('b')).toBeUndefined()
      expect(await onServer(copy.url, entries)).toEqual([])
      await copied.set('a', 'copy')

      await using cache = new PostgresCache({ connectionString: original.url, durability })
      expect(await cache.getMany(['a', 'b'])).toEqual(['original', 'original'])
      expect(await copied.get('a', { fresh: true })).toBe('copy')
    },
  )
})
