import pg from 'pg'
import { afterAll, describe, expect, it } from 'vitest'
import { type Cache, NullCache, PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { atEndOfFile } from '../end-of-file.ts'
import { held } from '../held.ts'
import { Latch } from '../latch.ts'

const database = await createDatabase()
const connectionString = database.url
const cache = new PostgresCache({ connectionString })
const other = new PostgresCache({ connectionString })
afterAll(() => Promise.all([cache.close(), other.close()]))

const times = <T>(count: number, call: (cache: Cache, i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, i) => call(i % 2 === 0 ? cache : other, i)))

async function stale(key: string, value: unknown): Promise<void> {
  await cache.set(key, value, { ttl: 1, grace: '1h' })
  await expect.poll(async () => (await cache.getEntry(key))?.stale, { interval: 1 }).toBe(true)
}

/** A transaction of a caller's that has done something and is still open. */
async function opened(act: (tx: pg.Client) => Promise<unknown>): Promise<pg.Client> {
  const client = new pg.Client(connectionString)
  await client.connect()
  atEndOfFile(() => client.end())
  await client.query('begin')
  await act(client)
  return client
}

describe('add', () => {
  it('stores where nothing fresh is, with ttl and tags', async () => {
    expect(await cache.add('new', { id: 1 }, { ttl: '1h', tags: ['added'] })).toBe(true)
    expect(await other.getEntry('new')).toMatchObject({ value: { id: 1 }, tags: ['added'] })
    expect(await other.add('new', { id: 2 })).toBe(false)
    expect(await cache.get('new', { fresh: true })).toEqual({ id: 1 })
  })

  it('stores over what is stale or void', async () => {
    await stale('stale', 'old')
    expect(await other.add('stale', 'new')).toBe(true)
    expect(await cache.get('stale', { fresh: true })).toBe('new')
    await cache.set('void', 'old', { tags: ['void'] })
    await cache.invalidateTags('void')
    expect(await other.add('void', Buffer.from('new'))).toBe(true)
    expect(await cache.get('void', { fresh: true })).toEqual(Buffer.from('new'))
  })

  it('succeeds for one of many callers, on an absent and on a stale row', async () => {
    await stale('raced stale', 'old')
    for (const key of ['raced', 'raced stale']) {
      const added = await times(30, (each, i) => each.add(key, i))
      expect(added.filter(Boolean)).toHaveLength(1)
      expect(await cache.get(key, { fresh: true })).toBe(added.indexOf(true))
    }
  })

  it('enters the local cache like a set, and what is refused does not', async () => {
    let i = 0
    const addAndPeek = async (): Promise<unknown> => {
      const key = `held ${i++}`
      await cache.add(key, 'added')
      return cache.peek(key)
    }
    await expect.poll(addAndPeek, { interval: 5 }).toBe('added')
    await other.set('refused', 'first')
    expect(await cache.add('refused', 'second')).toBe(false)
    expect(cache.peek('refused')).toBeUndefined()
  })

  it('keeps out a load that began before it', async () => {
    const latch = new Latch()
    const begun = new Latch()
    const load = other.getOrSet('loading', async () => {
      begun.open()
      await latch.opened
      return 'loaded'
    })
    await begun.opened
    expect(await cache.add('loading', 'added')).toBe(true)
    latch.open()
    expect(await load).toBe('loaded')
    expect(await other.get('loading', { fresh: true })).toBe('added')
  })
})

describe('take', () => {
  it('removes the entry and returns its value, whatever its type', async () => {
    for (const value of [{ id: 1 }, null, Buffer.from('hi'), 0]) {
      await cache.set('taken', value)
      expect(await other.take('taken')).toEqual(value)
      expect(await cache.get('taken', { fresh: true })).toBeUndefined()
    }
    expect(await cache.take('taken')).toBeUndefined()
    await stale('stale taken', 'old')
    expect(await cache.take('stale taken')).toBeUndefined()
  })

  it('gives the value to one of many callers', async () => {
    for (let round = 0; round < 5; round++) {
      await cache.set('raced for', round)
      const taken = await times(20, (each) => each.take('raced for'))
      expect(taken.filter((value) => value !== undefined)).toEqual([round])
    }
  })

  it('evicts it here at once, and elsewhere as a delete does', async () => {
    await cache.set('held', 1)
    await held(cache, 'held')
    await held(other, 'held')
    await cache.take('held')
    expect(cache.peek('held')).toBeUndefined()
    await other.sync()
    expect(other.peek('held')).toBeUndefined()
  })

  it('keeps out a load that began before it', async () => {
    await cache.set('taken while loading', 'first')
    const load = other.getOrSet(
      'taken while loading',
      async () => {
        await cache.take('taken while loading')
        return 'loaded'
      },
      { force: true },
    )
    expect(await load).toBe('loaded')
    expect(await other.has('taken while loading', { fresh: true })).toBe(false)
  })
})

describe('increment', () => {
  it('counts from 0, by 1 or by what is asked for', async () => {
    expect(await cache.increment('count')).toBe(1)
    expect(await other.increment('count', { by: 10 })).toBe(11)
    expect(await cache.increment('count', { by: -11.5 })).toBe(-0.5)
    expect(await cache.increment('count', { by: 0.6 })).toBe(0.1)
    expect(await other.get('count', { fresh: true })).toBe(0.1)
    await cache.set('count', 5)
    expect(await cache.increment('count', { by: 1e21 })).toBe(1e21)
  })

  it('rejects a sum that is not finite, and leaves what was there', async () => {
    await cache.set('large', Number.MAX_VALUE)
    await expect(cache.increment('large', { by: 1e300 })).rejects.toMatchObject({ code: 'invalid-value' })
    expect(await cache.get('large', { fresh: true })).toBe(Number.MAX_VALUE)
    expect(await cache.increment('large', { by: -Number.MAX_VALUE })).toBe(0)
  })

  it('loses none of many increments', async () => {
    const sums = await times(60, (each) => each.increment('many'))
    expect(sums.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1))
  })

  it('begins ttl and tags with the first, and leaves them as they are', async () => {
    await cache.increment('window', { ttl: '1h', tags: ['first'] })
    await cache.increment('window', { ttl: '1s', tags: ['second'] })
    const entry = await other.getEntry('window')
    expect(entry).toMatchObject({ value: 2, tags: ['first'] })
    expect(entry?.ttl).toBeGreaterThan(3_500_000)
    await stale('over', 7)
    expect(await cache.increment('over', { ttl: '1h' })).toBe(1)
  })

  it('refuses what is no number, and a step that is none', async () => {
    await cache.setMany([
      ['text', 'one'],
      ['bytes', Buffer.from('1')],
      ['null', null],
    ])
    for (const key of ['text', 'bytes', 'null'])
      await expect(cache.increment(key)).rejects.toMatchObject({
        code: 'invalid-value',
        key,
        message: `increment of key "${key}" failed: the sum would be no number: delete the entry, or count under another key (what is stored is not a number)`,
      })
    expect(await cache.get('text')).toBe('one')
    for (const by of [Number.NaN, Infinity, '1' as never])
      await expect(cache.increment('count', { by })).rejects.toMatchObject({ code: 'invalid-option' })
  })

  it('is seen by other processes as any write', async () => {
    await cache.increment('watched')
    expect(await held(other, 'watched')).toBe(1)
    await cache.increment('watched')
    expect(cache.peek('watched') ?? 2).toBe(2)
    await other.sync()
    expect(other.peek('watched') ?? 2).toBe(2)
    expect(await other.get('watched')).toBe(2)
  })

  it('of what is being invalidated by an open transaction does not outlive it', async () => {
    await cache.set('doomed', 5)
    const tx = await opened(async (client) => (await cache.withTransaction(client)).invalidate('doomed'))
    expect(await other.increment('doomed')).toBe(6)
    await tx.query('commit')
    expect(await other.get('doomed', { fresh: true })).toBeUndefined()
    expect(await other.increment('doomed')).toBe(1)
  })

  it('keeps its place among the other writes of its caller', async () => {
    const set = cache.set('in order', 10)
    const sum = cache.increment('in order')
    const removed = cache.delete('in order')
    const again = cache.increment('in order')
    expect(await Promise.all([set, sum, removed, again])).toEqual([undefined, 11, true, 1])
  })
})

describe('compareAndSet', () => {
  it('stores where the version is still the same, stale or not', async () => {
    await cache.set('versioned', 1)
    const entry = await other.getEntry('versioned')
    expect(await cache.compareAndSet('versioned', entry?.version, 2)).toBe(true)
    expect(await other.compareAndSet('versioned', entry?.version, 3)).toBe(false)
    expect(await other.get('versioned', { fresh: true })).toBe(2)
    await stale('stale version', 1)
    const old = await cache.getEntry('stale version')
    expect(await cache.compareAndSet('stale version', old?.version, 2)).toBe(true)
  })

  it('without a version stores only where nothing is; of nothing there is no version', async () => {
    expect(await cache.compareAndSet('absent', '1', 'never')).toBe(false)
    expect(await cache.compareAndSet('absent', undefined, 'first')).toBe(true)
    expect(await cache.compareAndSet('absent', undefined, 'second')).toBe(false)
    await expect(cache.compareAndSet('absent', 5 as never, 1)).rejects.toMatchObject({
      code: 'invalid-option',
    })
  })

  it('loses no change of many that try until they succeed', async () => {
    await times(12, async (each, i) => {
      for (;;) {
        const entry = await each.getEntry<number[]>('list')
        if (await each.compareAndSet('list', entry?.version, [...(entry?.value ?? []), i])) return
      }
    })
    const list = await cache.get<number[]>('list', { fresh: true })
    expect(list?.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => i))
  })

  it('refused, evicts what is outdated here', async () => {
    await cache.set('outdated', 1)
    await held(cache, 'outdated')
    const version = (await cache.getEntry('outdated'))?.version
    await other.set('outdated', 2)
    expect(await cache.compareAndSet('outdated', version, 3)).toBe(false)
    expect(await cache.get('outdated')).toBe(2)
  })

  it('does not outlive an invalidation that was under way', async () => {
    await cache.set('doomed version', 1)
    const { version } = (await cache.getEntry('doomed version')) ?? {}
    const tx = await opened(async (client) =>
      (await cache.withTransaction(client)).invalidate('doomed version'),
    )
    expect(await other.compareAndSet('doomed version', version, 2)).toBe(true)
    await tx.query('commit')
    expect(await other.get('doomed version', { fresh: true })).toBeUndefined()
    expect(await other.compareAndSet('doomed version', version, 3)).toBe(false)
  })
})

describe('a row that a transaction holds', () => {
  it('is waited for, and the write is done once', async () => {
    await cache.set('locked', 1)
    const tx = await opened(async (client) => (await cache.withTransaction(client)).set('locked', 5))
    const sum = other.increment('locked')
    await expect
      .poll(() =>
        database.query(
          `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
        ),
      )
      .toHaveLength(1)
    await tx.query('commit')
    expect(await sum).toBe(6)
  })
})

describe('a call that the server refuses', () => {
  it('is named by the error, with its key', async () => {
    await cache.set('refused', 1)
    await database.query(
      'alter table postgres_cache.entries add constraint refuses_all check (false) not valid',
    )
    const { version } = (await cache.getEntry('refused')) ?? {}
    const calls = {
      add: () => cache.add('not there', 1),
      increment: () => cache.increment('refused'),
      compareAndSet: () => cache.compareAndSet('refused', version, 2),
    }
    for (const [call, run] of Object.entries(calls))
      await expect(run()).rejects.toMatchObject({
        code: 'query-failed',
        message: expect.stringMatching(new RegExp(`^${call} of key "(refused|not there)" failed: `)),
      })
    await database.query('alter table postgres_cache.entries drop constraint refuses_all')
  })
})

describe('in a namespace and in a NullCache', () => {
  it('keys and defaults are those of the namespace', async () => {
    const users = cache.namespace('users', { tags: ['users'] })
    expect(await users.add('1', 'Ava')).toBe(true)
    expect(await users.increment('visits')).toBe(1)
    expect(await users.compareAndSet('1', (await users.getEntry('1'))?.version, 'Eve')).toBe(true)
    expect(await cache.getEntry('users:1')).toMatchObject({ value: 'Eve', tags: ['users'] })
    expect(await cache.getEntry('users:visits')).toMatchObject({ value: 1, tags: ['users'] })
    expect(await users.take('1')).toBe('Eve')
  })

  it('a NullCache finds nothing there', async () => {
    const none = new NullCache()
    expect(await none.add('a', 1)).toBe(true)
    expect(await none.take('a')).toBeUndefined()
    expect(await none.increment('a', { by: 5 })).toBe(5)
    expect(await none.compareAndSet('a', undefined, 1)).toBe(true)
    expect(await none.compareAndSet('a', '7', 1)).toBe(false)
    await expect(none.increment('a', { by: Number.NaN })).rejects.toMatchObject({ code: 'invalid-option' })
    await expect(none.add('a', undefined)).rejects.toMatchObject({ code: 'invalid-value' })
  })
})
