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

  it('is left where it is until it is asked for, if nobody was given it since it came', async () => {
    await using clients = await open()
    const { writer, reader } = clients
    await writer.setMany([
      ['asked for once', 'old'],
      ['in use', 'old'],
    ])
    await reader.sync()
    expect(await held(reader, 'in use')).toBe('old')
    expect(await reader.get('asked for once')).toBe('old')
    const before = reads(reader)
    await writer.setMany([
      ['asked for once', 'new'],
      ['in use', 'new'],
    ])
    await reader.sync()
    // Not looked at by peek, which is a use.
    await expect.poll(() => since(before, reader), { interval: 5 }).toEqual([1, 1])

    await writer.set('in use', 'newest')
    await reader.sync()
    // Behind a read that it would have been sent with.
    await reader.get('asked for once')
    expect(since(before, reader)).toEqual([2, 2])
    expect(await reader.get('in use')).toBe('newest')
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
