import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { type GetOrSetOptions, PostgresCache } from '../../src/index.ts'
import { CountingLoad } from '../counting-load.ts'
import { createDatabase } from '../database.ts'
import { held } from '../held.ts'
import { Latch } from '../latch.ts'
import { nextEvent } from '../next-event.ts'
import { ageRows } from './age-rows.ts'

const database = await createDatabase()
const connectionString = database.url
const cache = new PostgresCache({ connectionString })
const plain = new PostgresCache({ connectionString, local: false })
afterAll(() => Promise.all([cache.close(), plain.close()]))

const OPTIONS = { ttl: '1h', refreshAhead: 0.5, jitter: 0 } satisfies GetOrSetOptions
/** What makes every value in its window due, and none. */
const EARLY = 0.999_999
const LATE = 0

const drawing = (random: number): void => void vi.spyOn(Math, 'random').mockReturnValue(random)
afterEach(() => vi.restoreAllMocks())

/** Stored with `left` of its hour to go. */
async function aged(key: string, by: string): Promise<void> {
  await plain.set(key, 'old', { ttl: '1h' })
  await ageRows(database, by, key)
}

describe('refreshAhead', () => {
  it('loads again behind the answer in the last part of the ttl, from the store and from the local cache', async () => {
    for (const each of [plain, cache]) {
      const key = each === plain ? 'from the store' : 'held here'
      await aged(key, '40 minutes')
      if (each === cache) {
        await cache.sync()
        await held(cache, key)
      }
      drawing(EARLY)
      const latch = new Latch()
      const source = new CountingLoad(() => latch.opened.then(() => 'new'))
      const loaded = nextEvent(each, 'loaded')
      expect(await each.getOrSet(key, source.load, OPTIONS)).toBe('old')
      expect(await each.getOrSet(key, source.load, OPTIONS)).toBe('old')
      latch.open()
      expect(await loaded).toMatchObject({ key, stored: true })
      expect(await each.getOrSet(key, source.load, { ...OPTIONS, fresh: true })).toBe('new')
      expect(source.runs).toBe(1)
      vi.restoreAllMocks()
    }
  })

  it('is left to chance in that part, and never happens before it', async () => {
    const source = new CountingLoad(() => 'new')
    await aged('by chance', '40 minutes')
    drawing(LATE)
    expect(await plain.getOrSet('by chance', source.load, OPTIONS)).toBe('old')
    await aged('too early', '20 minutes')
    drawing(EARLY)
    expect(await plain.getOrSet('too early', source.load, OPTIONS)).toBe('old')
    await aged('not asked for', '59 minutes')
    expect(await plain.getOrSet('not asked for', source.load, { ttl: '1h' })).toBe('old')
    await plain.set('for ever', 'old', { ttl: null })
    expect(await plain.getOrSet('for ever', source.load, { ...OPTIONS, ttl: null })).toBe('old')
    // Whatever was begun by now would come before the answer to a later statement over the same connections.
    await plain.sync()
    expect(source.runs).toBe(0)
  })

  it('happens once in the cluster', async () => {
    await aged('once', '40 minutes')
    drawing(EARLY)
    const latch = new Latch()
    const here = new CountingLoad(() => latch.opened.then(() => 'new'))
    const there = new CountingLoad(() => 'loaded twice')
    const loaded = nextEvent(plain, 'loaded')
    expect(await plain.getOrSet('once', here.load, OPTIONS)).toBe('old')
    await expect.poll(() => here.runs).toBe(1)
    expect(await cache.getOrSet('once', there.load, { ...OPTIONS, local: false })).toBe('old')
    expect(await cache.getOrSet('once', there.load, { ...OPTIONS, local: false })).toBe('old')
    latch.open()
    await loaded
    expect(await cache.getOrSet('once', there.load, { ...OPTIONS, local: false })).toBe('new')
    expect(there.runs).toBe(0)
  })

  it('of null counts from nullTtl, for answers and for what a reload finds', async () => {
    drawing(EARLY)
    const options = { ...OPTIONS, nullTtl: '10m' } satisfies GetOrSetOptions
    for (const each of [plain, cache]) {
      const key = each === plain ? 'null in the store' : 'null held here'
      const source = new CountingLoad(() => null)
      const get = (): Promise<null> => each.getOrSet(key, source.load, options)
      await get()
      if (each === cache) await held(cache, key)
      expect([await get(), await get()]).toEqual([null, null])
      const nulls = (): Promise<(null | undefined)[]> =>
        each.getOrSetMany([key], () => [source.load()], options)
      expect([await nulls(), await nulls()]).toEqual([[null], [null]])
      await each.sync()
      expect(source.runs).toBe(1)
      await ageRows(database, '6 minutes', key)
      await each.sync()
      const loaded = nextEvent(each, 'loaded')
      await get()
      await loaded
      expect(source.runs).toBe(2)
    }

    // It holds the old one while another process has replaced it.
    const own = new PostgresCache({ connectionString, notifications: 'poll', maxStaleness: '1m' })
    await plain.getOrSet('null twice', () => null, options)
    await ageRows(database, '6 minutes', 'null twice')
    await held(own, 'null twice')
    await plain.getOrSet('null twice', () => null, { ...options, force: true })
    const source = new CountingLoad(() => null)
    expect(await own.getOrSet('null twice', source.load, options)).toBeNull()
    await own.close()
    expect(source.runs).toBe(0)
  })

  it('that fails leaves what is stored, waits for its back-off, and is no unhandled rejection', async () => {
    await aged('failing', '40 minutes')
    drawing(EARLY)
    const source = new CountingLoad(() => Promise.reject(new Error('source is down')))
    const failed = nextEvent(plain, 'load-failed')
    const get = (): Promise<unknown> => plain.getOrSet('failing', source.load, { ...OPTIONS, backoff: '1h' })
    expect(await get()).toBe('old')
    expect(await failed).toMatchObject({ key: 'failing' })
    expect(await get()).toBe('old')
    await plain.sync()
    expect(source.runs).toBe(1)
  })

  it('loads what is due of getOrSetMany in one call', async () => {
    await aged('many due 1', '40 minutes')
    await aged('many due 2', '40 minutes')
    await aged('many later', '10 minutes')
    drawing(EARLY)
    const asked: (readonly string[])[] = []
    const load = (missing: readonly string[]): string[] => {
      asked.push(missing)
      return missing.map(() => 'new')
    }
    const keys = ['many due 1', 'many later', 'many due 2']
    const loaded = nextEvent(plain, 'loaded', ({ key }) => key === 'many due 2')
    expect(await plain.getOrSetMany(keys, load, OPTIONS)).toEqual(['old', 'old', 'old'])
    await loaded
    expect(asked).toEqual([['many due 1', 'many due 2']])
    expect(await plain.getMany(keys)).toEqual(['new', 'old', 'new'])
  })

  it('is waited for by close(), and handed to waitUntil', async () => {
    await aged('closing', '40 minutes')
    const handed: Promise<void>[] = []
    const waitUntil = (work: Promise<void>): void => void handed.push(work)
    const own = new PostgresCache({ connectionString, ttl: '1h', refreshAhead: 0.5, waitUntil })
    await own.get('warm')
    drawing(EARLY)
    expect(await own.getOrSet('closing', async () => 'new')).toBe('old')
    expect(handed).toHaveLength(1)
    await own.close()
    expect(await plain.get('closing')).toBe('new')
  })
})

describe('jitter', () => {
  const ttlOf = async (key: string): Promise<number> => (await plain.getEntry(key))?.ttl ?? 0

  it('shortens the ttl of what is loaded by up to a few per cent, and of nothing else', async () => {
    drawing(EARLY)
    await plain.getOrSet('jittered', () => 1, { ttl: '1h' })
    expect(await ttlOf('jittered')).toBeLessThanOrEqual(3_600_000 * 0.97 + 1)
    expect(await ttlOf('jittered')).toBeGreaterThan(3_600_000 * 0.96)
    await plain.getOrSet('half', () => 1, { ttl: '1h', jitter: 0.5 })
    expect(await ttlOf('half')).toBeLessThanOrEqual(1_800_004)
    await plain.getOrSet('exact', () => 1, { ttl: '1h', jitter: 0 })
    await plain.set('set', 1, { ttl: '1h' })
    for (const key of ['exact', 'set']) expect(await ttlOf(key)).toBeGreaterThan(3_590_000)
    await plain.getOrSet('for ever', () => 1, { ttl: null })
    expect((await plain.getEntry('for ever'))?.ttl).toBeNull()
  })
})
