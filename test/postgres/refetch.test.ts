import { describe, expect, it } from 'vitest'
import { type CacheOptions, PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { held } from '../held.ts'

const database = await createDatabase()
const connectionString = database.url

/** Two processes in one. `reader` hears of changes when it syncs, so that a test decides when that is. */
async function open(
  options: CacheOptions = { notifications: 'poll', maxStaleness: '1h' },
): Promise<{ writer: PostgresCache; reader: PostgresCache } & AsyncDisposable> {
  const writer = new PostgresCache({ connectionString, local: false })
  const reader = new PostgresCache({ connectionString, ...options })
  await Promise.all([writer.connect(), reader.connect()])
  return {
    writer,
    reader,
    [Symbol.asyncDispose]: async () => void (await Promise.all([writer.close(), reader.close()])),
  }
}

const reads = (cache: PostgresCache): readonly [statements: number, keys: number] => {
  const figures = cache.stats().statements['read']
  return [figures?.keys.count ?? 0, figures?.keys.sum ?? 0]
}

const since = (
  [statements, keys]: readonly [number, number],
  cache: PostgresCache,
): readonly [number, number] => [reads(cache)[0] - statements, reads(cache)[1] - keys]

describe('what others have changed', () => {
  it('is held again in its new version, without being asked for', async () => {
    await using clients = await open({})
    const { writer, reader } = clients
    await writer.set('heard', 'old')
    expect(await held(reader, 'heard')).toBe('old')
    const { hits, misses } = reader.stats()
    await writer.set('heard', 'new')
    await expect.poll(() => reader.peek('heard'), { interval: 5 }).toBe('new')
    expect(reader.stats()).toMatchObject({ hits: { store: hits.store }, misses, errors: 0 })
  })

  it('is read in one statement, in the last of its versions', async () => {
    await using clients = await open()
    const { writer, reader } = clients
    const keys = ['a', 'b', 'c', 'd', 'e']
    await writer.setMany(keys.map((key) => [key, 'old']))
    await reader.sync()
    for (const key of keys) expect(await held(reader, key)).toBe('old')
    for (const value of ['newer', 'newest']) {
      for (const key of keys) await writer.set(key, value)
    }
    const before = reads(reader)
    await reader.sync()
    await expect
      .poll(() => keys.map((key) => reader.peek(key)), { interval: 5 })
      .toEqual(keys.map(() => 'newest'))
    expect(since(before, reader)).toEqual([1, keys.length])
  })

  it('is left until it is asked for, when it was read again eight times and nobody asked', async () => {
    await using clients = await open()
    const { writer, reader } = clients
    await writer.set('unused', 0)
    await reader.sync()
    expect(await held(reader, 'unused')).toBe(0)
    const before = reads(reader)
    const change = async (value: number): Promise<void> => {
      await writer.set('unused', value)
      await reader.sync()
      // Behind a read that it would have been sent with.
      await reader.get(`other ${value}`)
    }
    for (let i = 1; i <= 10; i++) await change(i)
    expect(since(before, reader)[1]).toBe(10 + 8)
    expect(await held(reader, 'unused')).toBe(10)
    const again = reads(reader)
    await change(11)
    expect(since(again, reader)[1]).toBe(2)
  })

  it('is left where it is by a process that only writes', async () => {
    await using clients = await open()
    const { writer, reader } = clients
    await reader.sync()
    await reader.set('written', 'old')
    expect(reader.stats().local.entries).toBe(1)
    const before = reads(reader)
    await writer.set('written', 'new')
    await reader.sync()
    await reader.get('other')
    expect(since(before, reader)[1]).toBe(1)
    expect(await reader.get('written')).toBe('new')
  })

  it('is read with what the next sync tells of, where writes queue', async () => {
    await using clients = await open({})
    const { writer, reader } = clients
    await writer.set('stormy', 'old')
    expect(await held(reader, 'stormy')).toBe('old')
    const evicted = new Promise((resolve) => {
      reader.on('evicted', resolve)
    })
    const before = reads(reader)
    const hint = { a: 'postgres_cache.', v: 1, g: 1_000, x: '1', k: ['stormy'] }
    await database.query('select pg_notify($1, $2)', ['cache_events', JSON.stringify(hint)])
    await evicted
    await reader.get('other')
    expect(since(before, reader)[1]).toBe(1)
    await reader.sync()
    await expect.poll(() => reader.peek('stormy'), { interval: 5 }).toBe('old')
    expect(since(before, reader)[1]).toBe(2)
  })

  it('is looked for once where it was deleted', async () => {
    await using clients = await open()
    const { writer, reader } = clients
    await writer.set('deleted', 'old')
    await reader.sync()
    expect(await held(reader, 'deleted')).toBe('old')
    const { misses } = reader.stats()
    const before = reads(reader)
    await writer.delete('deleted')
    await reader.sync()
    await expect.poll(() => since(before, reader), { interval: 5 }).toEqual([1, 1])
    expect(reader.stats()).toMatchObject({ misses, errors: 0 })
    expect(reader.peek('deleted')).toBeUndefined()
  })

  it('is not read by a cache that closes', async () => {
    await using clients = await open()
    const { writer, reader } = clients
    await writer.set('closing', 'old')
    await reader.sync()
    expect(await held(reader, 'closing')).toBe('old')
    await writer.set('closing', 'new')
    const before = reads(reader)
    const synced = new Promise<void>((resolve) => {
      reader.on('evicted', () => {
        void reader.close().then(resolve)
      })
    })
    await reader.sync()
    await synced
    expect(since(before, reader)[0]).toBeLessThanOrEqual(1)
  })
})
