import { afterAll, describe, expect, it } from 'vitest'
import { NullCache, PostgresCache } from '../../src/index.ts'
import { CountingLoad } from '../counting-load.ts'
import { createDatabase } from '../database.ts'
import { held } from '../held.ts'

const database = await createDatabase()
const connectionString = database.url
const cache = new PostgresCache({ connectionString })
const other = new PostgresCache({ connectionString })
afterAll(() => Promise.all([cache.close(), other.close()]))

const ttlOf = async (key: string): Promise<number> => (await other.getEntry(key))?.ttl ?? 0
const down = (): Promise<never> => Promise.reject(new Error('source is down'))

async function stale(key: string, value: unknown, tags: readonly string[] = []): Promise<void> {
  await cache.set(key, value, { ttl: 1, grace: '1h', tags })
  await expect.poll(async () => (await cache.getEntry(key))?.stale, { interval: 1 }).toBe(true)
}

describe('notModified()', () => {
  it('keeps the previous value for another ttl, with its tags', async () => {
    await stale('page', { body: 'text', etag: 'v1' }, ['from its data'])
    const seen: unknown[] = []
    const value = await cache.getOrSet<{ etag: string }>(
      'page',
      ({ previous, notModified }) => {
        seen.push(previous?.etag)
        return notModified()
      },
      { ttl: '1h' },
    )
    expect([seen, value]).toEqual([['v1'], { body: 'text', etag: 'v1' }])
    expect(await other.getEntry('page')).toMatchObject({ value, stale: false, tags: ['from its data'] })
    expect(await ttlOf('page')).toBeGreaterThan(3_400_000)
    expect(await other.getOrSet('page', down)).toEqual(value)
  })

  it('takes tags and ttl from set(), or from the call', async () => {
    await stale('tagged', 1, ['old'])
    const unmodified = (key: string, ttl?: '2h'): Promise<number> =>
      cache.getOrSet<number>(
        key,
        ({ set, notModified }) => {
          if (ttl) set({ ttl, tags: ['own'] })
          return notModified()
        },
        { tags: ['of the call'] },
      )
    await unmodified('tagged')
    expect(await other.getEntry('tagged')).toMatchObject({ tags: ['of the call'] })
    await stale('set', 1, ['old'])
    await unmodified('set', '2h')
    expect(await other.getEntry('set')).toMatchObject({ tags: ['own'] })
    expect(await ttlOf('set')).toBeGreaterThan(6_800_000)
  })

  it('works with force on what is fresh, and for bytes and null', async () => {
    await cache.setMany([
      ['bytes', Buffer.from('hi')],
      ['null', null],
    ])
    for (const [key, value] of [
      ['bytes', Buffer.from('hi')],
      ['null', null],
    ] as const) {
      const again = await cache.getOrSet<unknown>(key, ({ notModified }) => notModified(), { force: true })
      expect(again).toEqual(value)
      expect(await other.get(key, { fresh: true })).toEqual(value)
    }
  })

  it('is fenced: what was invalidated meanwhile does not come back', async () => {
    await stale('fenced', 'old')
    const value = await cache.getOrSet<string>('fenced', async ({ notModified }) => {
      await other.invalidate('fenced')
      return notModified()
    })
    expect(value).toBe('old')
    expect(await other.has('fenced')).toBe(false)
  })

  it('is refused where there is no previous value', async () => {
    const none = cache.getOrSet<string>('none', ({ notModified }) => notModified())
    await expect(none).rejects.toMatchObject({ code: 'invalid-value', key: 'none' })
    await expect(new NullCache().getOrSet('none', ({ notModified }) => notModified())).rejects.toMatchObject({
      code: 'invalid-value',
    })
  })

  it('of getOrSetMany is said key by key, in a namespace by its keys', async () => {
    const pages = cache.namespace('pages')
    await stale('pages:1', 'one')
    await stale('pages:2', 'two')
    const values = await pages.getOrSetMany(['1', '2'], ([first], { notModified }) => [
      notModified(first ?? ''),
      'new',
    ])
    expect(values).toEqual(['one', 'new'])
    expect(await other.getMany(['pages:1', 'pages:2'], { fresh: true })).toEqual(['one', 'new'])
  })
})

describe('nullTtl', () => {
  it('is the ttl of null, unless the loader names one', async () => {
    const options = { ttl: '1h', nullTtl: '1m' } as const
    await cache.getOrSet('nobody', () => null, options)
    await cache.getOrSet('somebody', () => 'Ava', options)
    await cache.getOrSet('surely nobody', ({ set }) => (set({ ttl: '2h' }), null), options)
    expect(await ttlOf('nobody')).toBeLessThanOrEqual(60_000)
    expect(await ttlOf('somebody')).toBeGreaterThan(3_400_000)
    expect(await ttlOf('surely nobody')).toBeGreaterThan(6_800_000)
    await cache.getOrSetMany(['many nobody', 'many somebody'], () => [null, 'Ava'], options)
    expect(await ttlOf('many nobody')).toBeLessThanOrEqual(60_000)
    expect(await ttlOf('many somebody')).toBeGreaterThan(3_400_000)
  })

  it('is a default of a cache, and null there means for ever', async () => {
    await using own = new PostgresCache({ connectionString, nullTtl: null })
    await own.getOrSet('for ever nobody', () => null)
    expect((await other.getEntry('for ever nobody'))?.ttl).toBeNull()
  })
})

describe('errorTtl', () => {
  it('gives the same error to further callers without another try', async () => {
    const source = new CountingLoad(down)
    const get = (): Promise<unknown> =>
      cache.getOrSet('failing', source.load, { errorTtl: '1h' }).catch((error: unknown) => error)
    const first = await get()
    expect(first).toMatchObject({ message: 'source is down' })
    expect(await get()).toBe(first)
    expect(await cache.getOrSetMany(['failing'], () => [1]).catch((error: unknown) => error)).toBe(first)
    expect(source.runs).toBe(1)
    expect(await cache.getOrSet('failing', () => 'up again', { force: true })).toBe('up again')
    await cache.delete('failing')
    expect(await cache.getOrSet('failing', () => 'loaded')).toBe('loaded')
  })

  it('ends by itself, and says nothing to those for whom a value is stored', async () => {
    const options = { errorTtl: 1 } as const
    await expect(cache.getOrSet('passing', down, options)).rejects.toThrow('source is down')
    const again = (): Promise<unknown> => cache.getOrSet('passing', () => 'up again').catch(String)
    await expect.poll(again, { interval: 1 }).toBe('up again')
    await expect(cache.getOrSet('stored', down, { errorTtl: '1h' })).rejects.toThrow('source is down')
    await other.set('stored', 'by another')
    expect(await cache.getOrSet('stored', down, { errorTtl: '1h' })).toBe('by another')
  })

  it('is none unless asked for', async () => {
    const source = new CountingLoad(down)
    for (let i = 0; i < 2; i++) await expect(cache.getOrSet('none', source.load)).rejects.toThrow('down')
    expect(source.runs).toBe(2)
  })
})

describe('the local cache', () => {
  it('neither answers nor keeps the value of a call with local: false', async () => {
    await cache.sync()
    expect(await cache.getOrSet('not local', () => 'loaded', { local: false })).toBe('loaded')
    expect(cache.peek('not local')).toBeUndefined()
    expect(await cache.getOrSet('not local', down, { local: false })).toBe('loaded')
    expect(cache.peek('not local')).toBeUndefined()
    const tiers: string[] = []
    expect(await held(cache, 'not local')).toBe('loaded')
    const off = cache.on('hit', ({ tier }) => tiers.push(tier))
    await cache.getOrSet('not local', down, { local: false })
    off()
    expect(tiers).toEqual(['store'])
  })

  it('keeps a value no longer than localTtl', async () => {
    await cache.sync()
    await cache.getOrSet('shortly local', () => 'loaded', { ttl: '1h', localTtl: 1 })
    await expect.poll(() => cache.peek('shortly local'), { interval: 1 }).toBeUndefined()
    const tiers: string[] = []
    const off = cache.on('hit', ({ tier }) => tiers.push(tier))
    expect(await cache.getOrSet('shortly local', down, { localTtl: '1h' })).toBe('loaded')
    off()
    expect(tiers).toEqual(['store'])
    expect(await ttlOf('shortly local')).toBeGreaterThan(3_400_000)
  })
})
