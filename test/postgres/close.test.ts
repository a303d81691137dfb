import { describe, expect, it } from 'vitest'
import { type CacheOptions, PostgresCache } from '../../src/index.ts'
import { collect } from '../collect.ts'
import { createDatabase } from '../database.ts'
import { Latch } from '../latch.ts'

const database = await createDatabase()
const connectionString = database.url
await database.install()

const sessions = (): Promise<unknown[]> =>
  database.query(
    `select pid, query from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`,
  )
const advisoryLocks = (): Promise<unknown[]> =>
  database.query(
    `select from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`,
  )

/** Of this process, the tests' own included. */
function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
}

/** Backends leave a moment after their clients. */
async function nothingLeft(): Promise<void> {
  await expect.poll(sessions).toEqual([])
  expect(await advisoryLocks()).toEqual([])
}

const CALLS: Record<string, (cache: PostgresCache) => Promise<unknown>> = {
  connect: (cache) => cache.connect(),
  get: (cache) => cache.get('a'),
  'get with fresh': (cache) => cache.get('a', { fresh: true }),
  has: (cache) => cache.has('a'),
  getMany: (cache) => cache.getMany(['a']),
  getEntry: (cache) => cache.getEntry('a'),
  set: (cache) => cache.set('a', 1),
  setMany: (cache) => cache.setMany([['a', 1]]),
  getOrSet: (cache) => cache.getOrSet('a', () => 1),
  getOrSetMany: (cache) => cache.getOrSetMany(['a'], () => [1]),
  wrap: (cache) => cache.wrap(async () => 1, { key: () => 'a' })(),
  add: (cache) => cache.add('a', 1),
  take: (cache) => cache.take('a'),
  increment: (cache) => cache.increment('a'),
  compareAndSet: (cache) => cache.compareAndSet('a', undefined, 1),
  delete: (cache) => cache.delete('a'),
  deleteMany: (cache) => cache.deleteMany(['a']),
  invalidate: (cache) => cache.invalidate('a'),
  deleteByPrefix: (cache) => cache.deleteByPrefix('a'),
  clear: (cache) => cache.clear(),
  touch: (cache) => cache.touch('a', '1m'),
  expire: (cache) => cache.expire('a'),
  keys: (cache) => collect(cache.keys()),
  entries: (cache) => collect(cache.entries()),
  prune: (cache) => cache.prune(),
  sync: (cache) => cache.sync(),
}

describe('close', () => {
  it('waits for what is under way, then leaves no connection and no lock', async () => {
    const cache = new PostgresCache({ connectionString })
    const latch = new Latch()
    const begun = new Latch()
    const load = cache.getOrSet('load', async () => {
      begun.open()
      await latch.opened
      return 'loaded'
    })
    await begun.opened
    const writes = [cache.set('a', 1), cache.setMany([['b', 2]]), cache.set('a', 3), cache.delete('c')]
    const reads = [cache.get('b', { fresh: true }), cache.getMany(['x', 'y'])]
    const closing = cache.close()
    let closed = false
    const noted = closing.finally(() => {
      closed = true
    })
    await Promise.all([...writes, ...reads])
    expect(closed).toBe(false)
    latch.open()
    expect(await load).toBe('loaded')
    await noted
    await nothingLeft()

    await using other = new PostgresCache({ connectionString })
    expect(await other.getMany(['load', 'a', 'b'])).toEqual(['loaded', 3, 2])
  })

  it('waits for calls that wait to be connected, too', async () => {
    for (const call of Object.values(CALLS)) {
      const cache = new PostgresCache({ connectionString })
      const called = call(cache)
      await cache.close()
      await called
      await expect(cache.get('a')).rejects.toMatchObject({ code: 'closed' })
    }
    await nothingLeft()
  })

  it('waits for reads past the local cache that stand in line for a connection', async () => {
    const cache = new PostgresCache({ connectionString, notifications: 'poll', pool: { max: 1 } })
    await cache.set('in line', 1)
    const reads = Array.from({ length: 20 }, () => cache.getEntry('in line'))
    const keys = Array.from({ length: 5 }, () =>
      cache.keys({ prefix: 'in line' })[Symbol.asyncIterator]().next(),
    )
    const watches = cache.watches()
    await cache.close()
    expect((await Promise.all(reads)).map((entry) => entry?.value)).toEqual(Array(20).fill(1))
    expect((await Promise.all(keys)).map(({ value }) => value as unknown)).toEqual(Array(5).fill('in line'))
    expect(await watches).toEqual([])
  })

  it('ends a listing at its next page', async () => {
    const cache = new PostgresCache({ connectionString })
    await cache.setMany(Array.from({ length: 600 }, (_, i) => [`page ${i}`, i]))
    const keys = cache.keys({ prefix: 'page ' })[Symbol.asyncIterator]()
    await keys.next()
    await cache.close()
    const rest = async (): Promise<void> => {
      while ((await keys.next()).done !== true);
    }
    await expect(rest()).rejects.toMatchObject({ code: 'closed' })
  })

  it('makes every later call reject as closed, and may be called again', async () => {
    const cache = new PostgresCache({ connectionString })
    await cache.set('a', 1)
    await Promise.all([cache.close(), cache.close()])
    await cache.close()
    for (const [name, call] of Object.entries(CALLS)) {
      const failure: unknown = await call(cache).catch((error: unknown) => error)
      expect({ name, failure }).toMatchObject({ name, failure: { code: 'closed' } })
    }
    expect(cache.peek('a')).toBeUndefined()
    expect(cache.stats()).toMatchObject({ sets: 1, local: { entries: 0, bytes: 0 }, pendingBytes: 0 })
    await nothingLeft()
  })

  it('before anything was asked opens nothing', async () => {
    const cache = new PostgresCache({ connectionString })
    await cache.close()
    await expect(cache.get('a')).rejects.toMatchObject({ code: 'closed' })
    await nothingLeft()
  })

  it('happens at the end of an `await using` block', async () => {
    let kept: PostgresCache
    {
      await using cache = new PostgresCache({ connectionString })
      await cache.set('a', 1)
      kept = cache
    }
    await expect(kept.get('a')).rejects.toMatchObject({ code: 'closed' })
    await nothingLeft()
  })

  it.each<[string, CacheOptions]>([
    ['that listens', {}],
    ['that polls', { notifications: 'poll' }],
  ])('at any moment while a cache %s connects leaves nothing behind', async (_, options) => {
    const before = openSockets()
    for (let turns = 0; turns < 25; turns++) {
      const cache = new PostgresCache({ connectionString, ...options })
      const calls = [cache.get('a'), cache.getOrSet('b', () => 1), cache.set('c', turns), cache.connect()]
      const settled = Promise.allSettled(calls)
      for (let i = 0; i < turns * turns; i++) await new Promise(setImmediate)
      await cache.close()
      expect(openSockets()).toBe(before)
      for (const outcome of await settled)
        if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'closed' })
    }
    await nothingLeft()
  })

  it('while the session is being opened again leaves nothing behind', async () => {
    const before = openSockets()
    for (let turns = 0; turns < 10; turns++) {
      const cache = new PostgresCache({ connectionString })
      await cache.connect()
      await database.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
      )
      // The first attempt comes after 25 to 75 ms.
      const until = performance.now() + 20 + 6 * turns
      while (performance.now() < until) await new Promise(setImmediate)
      await cache.close()
      expect(openSockets()).toBe(before)
    }
  })

  it('fifty times over leaks nothing', async () => {
    const before = openSockets()
    const listeners = process.eventNames().map((event) => [event, process.listenerCount(event)])
    for (let i = 0; i < 50; i++) {
      const cache = new PostgresCache({ connectionString })
      await cache.set('cycle', i)
      expect(await cache.getOrSet('cycle', () => 'loaded')).toBe(i)
      await cache.close()
    }
    expect(openSockets()).toBe(before)
    expect(process.eventNames().map((event) => [event, process.listenerCount(event)])).toEqual(listeners)
    await nothingLeft()
  })
})
