import { afterAll, describe, expect, it } from 'vitest'
import { type CacheOptions, PostgresCache } from '../../src/index.ts'
import { CountingLoad } from '../counting-load.ts'
import { createDatabase } from '../database.ts'
import { held } from '../held.ts'
import { Latch } from '../latch.ts'

const database = await createDatabase()

/** The address with a name of its own, by which its connections are told apart. */
function named(name: string): string {
  const url = new URL(database.url)
  url.searchParams.set('application_name', `postgres-cache ${name}`)
  return url.href
}

async function connectionsOf(name: string): Promise<number> {
  const open = await database.query('select from pg_stat_activity where application_name = $1', [
    `postgres-cache ${name}`,
  ])
  return open.length
}

const leases = (): Promise<unknown[]> => database.query('table postgres_cache.leases')

function poller(options: CacheOptions = {}): PostgresCache {
  return new PostgresCache({ connectionString: database.url, notifications: 'poll', ...options })
}

describe('with notifications: poll', () => {
  it('no session connection is opened', async () => {
    await using polling = poller({ connectionString: named('polling'), pool: { max: 1 } })
    await using listening = new PostgresCache({ connectionString: named('listening'), pool: { max: 1 } })
    for (const cache of [polling, listening]) {
      await cache.connect()
      await cache.set('a', 1)
      await cache.getOrSet('b', () => 2)
      await cache.sync()
    }
    expect(await connectionsOf('polling')).toBe(1)
    expect(await connectionsOf('listening')).toBe(2)
  })

  it('false means the same', async () => {
    await using cache = poller({ connectionString: named('false'), pool: { max: 1 }, notifications: false })
    await cache.getOrSet('a', () => 1)
    expect(await connectionsOf('false')).toBe(1)
  })

  it('changes by others are seen within maxStaleness', async () => {
    const maxStaleness = 300
    await using reader = poller({ maxStaleness })
    await using writer = new PostgresCache({ connectionString: database.url, local: false })
    for (const [round, change] of [
      () => writer.set('bound', 'new'),
      () => writer.delete('bound'),
      () => writer.deleteByPrefix('bou'),
    ].entries()) {
      await reader.set('bound', 'old')
      expect(await held(reader, 'bound')).toBe('old')
      await change()
      const acknowledged = performance.now()
      let lastStale = acknowledged
      for (;;) {
        const asked = performance.now()
        if ((await reader.get('bound')) !== 'old') break
        lastStale = asked
        await new Promise(setImmediate)
      }
      expect(lastStale - acknowledged, `round ${round}`).toBeLessThanOrEqual(maxStaleness)
    }
    expect(reader.stats().hits.local).toBeGreaterThan(0)
  })

  it('one client loads and the others wait for its value', async () => {
    await using one = poller()
    await using two = poller()
    const latch = new Latch()
    const source = new CountingLoad(() => latch.opened.then(() => 'loaded'))
    const first = one.getOrSet('leased', source.load)
    await expect.poll(leases, { interval: 5 }).toHaveLength(1)
    const others = Array.from({ length: 5 }, () => two.getOrSet('leased', source.load))
    latch.open()
    expect(await Promise.all([first, ...others])).toEqual(Array(6).fill('loaded'))
    expect(source.runs).toBe(1)
    await expect.poll(leases, { interval: 5 }).toEqual([])
  })

  it('a loader that throws gives its lease back', async () => {
    await using one = poller()
    await using two = poller({ lockTimeout: '20s' })
    const latch = new Latch()
    const first = one.getOrSet('thrown', () => latch.opened.then(() => Promise.reject(new Error('down'))))
    await expect.poll(leases, { interval: 5 }).toHaveLength(1)
    const second = two.getOrSet('thrown', () => 'loaded')
    latch.open()
    await expect(first).rejects.toThrow('down')
    expect(await second).toBe('loaded')
    await expect.poll(leases, { interval: 5 }).toEqual([])
  })

  it('the lease of a process that died is taken over at its deadline', async () => {
    await using cache = poller({ lockTimeout: '20s' })
    await cache.connect()
    await database.query(
      `insert into postgres_cache.leases values ('dead', gen_random_uuid(), clock_timestamp() + interval '200 ms')`,
    )
    const source = new CountingLoad(() => 'taken over')
    expect(await cache.getOrSet('dead', source.load)).toBe('taken over')
    expect(source.runs).toBe(1)
  })

  it('a lease that nobody gives back is waited for until lockTimeout', async () => {
    await using cache = poller({ lockTimeout: 50 })
    await cache.connect()
    await database.query(
      `insert into postgres_cache.leases values ('held', gen_random_uuid(), clock_timestamp() + interval '1 hour')`,
    )
    expect(await cache.getOrSet('held', () => 'without')).toBe('without')
    expect(await cache.get('held', { fresh: true })).toBe('without')
    await database.query('delete from postgres_cache.leases')
  })

  it('nested loads complete with a pool of one connection', async () => {
    await using cache = poller({ pool: { max: 1 } })
    const nested = (key: string): Promise<string> =>
      cache.getOrSet(key, () =>
        cache.getOrSet(`${key} inner`, () => cache.getOrSet(`${key} innermost`, () => key)),
      )
    expect(await Promise.all(['a', 'b', 'c'].map((name) => nested(`nest ${name}`)))).toHaveLength(3)
  })
})

describe('without a local cache', () => {
  const cache = new PostgresCache({ connectionString: database.url, local: false })
  const other = new PostgresCache({ connectionString: database.url, local: false })
  afterAll(() => Promise.all([cache.close(), other.close()]))

  it('every read asks the store, and sees what this process has written', async () => {
    for (let i = 0; i < 20; i++) {
      await cache.set('off', i)
      expect(await cache.get('off')).toBe(i)
      expect(await other.get('off')).toBe(i)
    }
    expect(cache.peek('off')).toBeUndefined()
    await cache.delete('off')
    expect(await cache.get('off')).toBeUndefined()
    expect(await cache.touch('off', '1h')).toBe(false)
    expect(cache.stats()).toMatchObject({ hits: { local: 0 }, local: { entries: 0, bytes: 0 } })
  })

  it('a read that began before a write is not shared with one that began after it', async () => {
    await cache.set('raced', 0)
    for (let i = 1; i <= 30; i++) {
      const before = cache.get('raced')
      await cache.set('raced', i)
      expect(await cache.get('raced')).toBe(i)
      await before
    }
  })

  it('concurrent getOrSet of two clients run one loader', async () => {
    const source = new CountingLoad(() => new Promise((resolve) => setTimeout(resolve, 50, 'loaded')))
    const callers = Array.from({ length: 10 }, (_, i) =>
      (i % 2 ? cache : other).getOrSet('once', source.load),
    )
    expect(await Promise.all(callers)).toEqual(Array(10).fill('loaded'))
    expect(source.runs).toBe(1)
  })
})
