import { describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { held } from '../held.ts'
import { nextEvent } from '../next-event.ts'
import { ageRows } from './age-rows.ts'

const database = await createDatabase()
const connectionString = database.url

/** Two processes in one: `reader` holds `key` in its local cache. */
async function twoClients(
  key: string,
): Promise<{ writer: PostgresCache; reader: PostgresCache } & AsyncDisposable> {
  const writer = new PostgresCache({ connectionString, local: false })
  const reader = new PostgresCache({ connectionString })
  await reader.set(key, 'old')
  expect(await held(reader, key)).toBe('old')
  return {
    writer,
    reader,
    [Symbol.asyncDispose]: async () => void (await Promise.all([writer.close(), reader.close()])),
  }
}

const CHANGES: [string, unknown, (writer: PostgresCache, key: string) => Promise<unknown>][] = [
  ['set', 'new', (writer, key) => writer.set(key, 'new')],
  [
    'setMany',
    'new',
    (writer, key) =>
      writer.setMany([
        ['x', 1],
        [key, 'new'],
      ]),
  ],
  ['delete', undefined, (writer, key) => writer.delete(key)],
  ['deleteMany', undefined, (writer, key) => writer.deleteMany(['x', key])],
  ['invalidate', undefined, (writer, key) => writer.invalidate(key)],
  ['deleteByPrefix', undefined, (writer, key) => writer.deleteByPrefix(key.slice(0, 3))],
  ['clear', undefined, (writer) => writer.clear()],
  ['expire', undefined, (writer, key) => writer.expire(key)],
  ['touch', 'old', (writer, key) => writer.touch(key, '1h')],
  [
    'getOrSet with fresh over an expired row',
    'new',
    async (writer, key) => {
      await ageRows(database, '1 hour', key)
      return writer.getOrSet(key, () => 'new', { fresh: true })
    },
  ],
  [
    'an update by SQL',
    '"by SQL"',
    (_, key) =>
      database.query(
        `update postgres_cache.entries set value = '"\\"by SQL\\""', written_by = pg_current_xact_id() where key = $1`,
        [key],
      ),
  ],
  [
    'a delete by SQL',
    undefined,
    (_, key) => database.query('delete from postgres_cache.entries where key = $1', [key]),
  ],
  ['a truncate by SQL', undefined, () => database.query('truncate postgres_cache.entries')],
]

describe.each(CHANGES)('%s by another client', (name, after, change) => {
  const key = `key of ${name}`

  it('makes the local cache of the first one let go, without being asked', async () => {
    await using clients = await twoClients(key)
    // At once: what was evicted is soon read again.
    const evicted = nextEvent(clients.reader, 'evicted').then((event) => [event, clients.reader.peek(key)])
    await change(clients.writer, key)
    expect(await evicted).toEqual([{ key, reason: 'changed' }, undefined])
    expect(await clients.reader.get(key)).toBe(after)
  })

  it('is seen at once by a fresh read and after a sync', async () => {
    await using clients = await twoClients(key)
    await change(clients.writer, key)
    expect(await clients.reader.get(key, { fresh: true })).toBe(after)
    await change(clients.writer, key)
    await clients.reader.sync()
    expect(await clients.reader.get(key)).toBe(after)
  })
})

describe('the writer’s own local cache', () => {
  it('has what was written as soon as it is acknowledged', async () => {
    await using cache = new PostgresCache({ connectionString })
    for (let i = 0; i < 20; i++) {
      await cache.set('own', i)
      expect(await cache.get('own')).toBe(i)
    }
    await cache.delete('own')
    expect(await cache.get('own')).toBeUndefined()
    await cache.set('own', 'again')
    expect(await cache.touch('own', '1h')).toBe(true)
    expect(await cache.get('own')).toBe('again')
    await cache.expire('own')
    expect(await cache.get('own')).toBeUndefined()
    await cache.set('own', 'again')
    await cache.deleteByPrefix('ow')
    expect(await cache.get('own')).toBeUndefined()
  })

  it('keeps what it has written last when it hears of its own writes before', async () => {
    await using cache = new PostgresCache({ connectionString, notifications: 'poll' })
    await cache.sync()
    for (let i = 0; i < 3; i++) await cache.set('often', i, { tags: ['often'] })
    expect(await held(cache, 'often')).toBe(2)
    await cache.sync()
    expect(cache.peek('often')).toBe(2)

    await cache.invalidateTags(['often'])
    expect(cache.peek('often')).toBeUndefined()
    await cache.set('often', 3, { tags: ['often'] })
    expect(cache.peek('often')).toBe(3)
    await cache.sync()
    expect(cache.peek('often')).toBe(3)
  })

  it('never answers a read that began after a write with what was there before', async () => {
    await using cache = new PostgresCache({ connectionString })
    await cache.set('raced', 0)
    for (let i = 1; i <= 50; i++) {
      const before = cache.get('raced', { fresh: true })
      await cache.set('raced', i)
      expect(await cache.get('raced')).toBe(i)
      expect([i - 1, i]).toContain(await before)
      expect(await cache.get('raced')).toBe(i)
    }
  })

  it('keeps no more than it may', async () => {
    await using cache = new PostgresCache({ connectionString, local: { maxEntries: 10 } })
    await cache.setMany(Array.from({ length: 100 }, (_, i) => [`many ${i}`, i]))
    expect(cache.stats().local.entries).toBe(10)
    expect(cache.stats().evictions).toBe(90)
    expect(await cache.getMany(['many 0', 'many 99'])).toEqual([0, 99])
  })
})

describe('a client that polls', () => {
  it.each<[string, (reader: PostgresCache) => Promise<unknown>]>([
    ['get with fresh', (reader) => reader.get('shown', { fresh: true })],
    ['getMany with fresh', async (reader) => (await reader.getMany(['shown'], { fresh: true }))[0]],
    ['getEntry', async (reader) => (await reader.getEntry('shown'))?.value],
    ['getOrSet with fresh', (reader) => reader.getOrSet('shown', () => 'loaded', { fresh: true })],
  ])('is given nothing older than what %s has shown it', async (_, show) => {
    await using reader = new PostgresCache({ connectionString, notifications: 'poll', maxStaleness: '1h' })
    await using writer = new PostgresCache({ connectionString, local: false })
    await reader.set('shown', 'old')
    await writer.set('shown', 'new')
    expect(await reader.get('shown')).toBe('old')
    expect(await show(reader)).toBe('new')
    expect(await reader.get('shown')).toBe('new')
    await writer.delete('shown')
    expect(await reader.get('shown')).toBe('new')
    expect(await show(reader)).not.toBe('new')
    expect(await reader.get('shown')).not.toBe('new')
  })
})

describe('without hints', () => {
  it('changes by others are still seen within maxStaleness', async () => {
    await using reader = new PostgresCache({ connectionString, maxStaleness: 300 })
    await using writer = new PostgresCache({ connectionString, local: false })
    await reader.set('unhinted', 'old')
    // Holds the gate shut for a while.
    await database.query(
      `select setval('postgres_cache.hint_gate', (extract(epoch from clock_timestamp()) * 1000)::bigint + 90)`,
    )
    await writer.set('unhinted', 'new')
    const acknowledged = performance.now()
    let lastStale = acknowledged
    for (;;) {
      const asked = performance.now()
      if ((await reader.get('unhinted')) === 'new') break
      lastStale = asked
      await new Promise(setImmediate)
    }
    expect(lastStale - acknowledged).toBeLessThanOrEqual(300)
  })
})
