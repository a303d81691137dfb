// What each option of read-through means for another process: two caches that share nothing but the database.

import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { type Cache, PostgresCache } from '../../src/index.ts'
import { CountingLoad } from '../counting-load.ts'
import { createDatabase } from '../database.ts'
import { held } from '../held.ts'
import { Latch } from '../latch.ts'
import { nextEvent } from '../next-event.ts'

const database = await createDatabase()
const connectionString = database.url
// Longer than any test: nobody gets anything because waiting for the other has come to its end.
const lockTimeout = '10m'
const here = new PostgresCache({ connectionString, lockTimeout })
const there = new PostgresCache({ connectionString, lockTimeout })
/** Hears of nothing: what it holds locally stays, whatever others do. */
const deaf = new PostgresCache({ connectionString, notifications: 'poll', maxStaleness: '1h' })
afterAll(() => Promise.all([here.close(), there.close(), deaf.close()]))
beforeEach(() => here.clear())

const down = (): Promise<never> => Promise.reject(new Error('source is down'))
const unwanted = (): never => {
  throw new Error('unwanted')
}

async function storeStale(cache: Cache, key: string, value: unknown): Promise<void> {
  await cache.set(key, value, { ttl: 1, grace: '1h' })
  await expect.poll(async () => (await cache.getEntry(key))?.stale, { interval: 1 }).toBe(true)
}

/** A load that `cache` has the lock for, until the latch is opened. */
async function loading(
  cache: Cache,
  key: string,
  value: string,
): Promise<{ latch: Latch; done: Promise<string> }> {
  const latch = new Latch()
  const source = new CountingLoad(() => latch.opened.then(() => value))
  const done = cache.getOrSet(key, source.load, { grace: '1h' })
  await expect.poll(() => source.runs).toBe(1)
  return { latch, done }
}

/** The trace of one key. */
function logOf(cache: Cache, key: string): string[] {
  const log: string[] = []
  cache.on('hit', (hit) => hit.key === key && log.push(`hit: ${hit.tier}`))
  cache.on('missed', (missed) => missed.key === key && log.push('missed'))
  cache.on('loaded', (loaded) => loaded.key === key && log.push(`loaded, stored: ${loaded.stored}`))
  cache.on('load-failed', (failed) => failed.key === key && log.push('load failed'))
  return log
}

describe('grace', () => {
  it('serves the stale value of another process when the loader fails', async () => {
    await storeStale(there, 'graced', 'old')
    const log = logOf(here, 'graced')
    expect(await here.getOrSet('graced', down, { grace: '1h' })).toBe('old')
    expect(log).toEqual(['load failed', 'hit: stale'])
  })

  it('backs off in the process whose load has failed, and the other may try', async () => {
    await storeStale(there, 'backing off', 'old')
    const source = new CountingLoad(down)
    for (let i = 0; i < 3; i++)
      expect(await here.getOrSet('backing off', source.load, { grace: '1h', backoff: '1h' })).toBe('old')
    expect(source.runs).toBe(1)
    expect(await there.getOrSet('backing off', () => 'new', { grace: '1h', backoff: '1h' })).toBe('new')
    expect(await here.getOrSet('backing off', unwanted, { fresh: true })).toBe('new')
  })

  it('ends where another process invalidates: nothing stale is served then', async () => {
    await storeStale(here, 'invalidated', 'old')
    await there.invalidate('invalidated')
    await expect(here.getOrSet('invalidated', down, { grace: '1h' })).rejects.toThrow('source is down')
  })
})

describe('while another process loads', () => {
  it('softTimeout serves what is stale, and the loaded value afterwards', async () => {
    await storeStale(here, 'soft', 'old')
    const { latch, done } = await loading(here, 'soft', 'new')
    const log = logOf(there, 'soft')
    expect(await there.getOrSet('soft', unwanted, { grace: '1h', softTimeout: 20 })).toBe('old')
    latch.open()
    expect(await done).toBe('new')
    expect(await there.getOrSet('soft', unwanted, { fresh: true })).toBe('new')
    expect(log).toEqual(['hit: stale', 'hit: store'])
  })

  it('timeout rejects the caller that waits for it, and neither load nor loader is disturbed', async () => {
    const { latch, done } = await loading(here, 'hard', 'loaded')
    const hasty = there.getOrSet('hard', unwanted, { timeout: 20 })
    await expect(hasty).rejects.toMatchObject({ code: 'wait-timeout', key: 'hard' })
    latch.open()
    expect(await done).toBe('loaded')
    expect(await there.getOrSet('hard', unwanted)).toBe('loaded')
  })

  it("revalidate: 'background' serves what is stale at once, and the loaded value afterwards", async () => {
    await storeStale(here, 'background', 'old')
    const { latch, done } = await loading(here, 'background', 'new')
    const options = { grace: '1h', revalidate: 'background' } as const
    expect(await there.getOrSet('background', unwanted, options)).toBe('old')
    latch.open()
    await done
    expect(await there.getOrSet('background', unwanted, { ...options, fresh: true })).toBe('new')
  })

  it('force loads without waiting for it, and the older load is refused', async () => {
    const { latch, done } = await loading(here, 'forced', 'begun before')
    expect(await there.getOrSet('forced', () => 'forced', { force: true })).toBe('forced')
    latch.open()
    expect(await done).toBe('begun before')
    expect(await here.get('forced', { fresh: true })).toBe('forced')
  })
})

describe('what a loader is told and decides', () => {
  it('previous is the stale value that another process has stored, its tags stay with notModified()', async () => {
    await there.set('page', { etag: 'v1' }, { ttl: 1, grace: '1h', tags: ['pages'] })
    await expect.poll(async () => (await here.getEntry('page'))?.stale, { interval: 1 }).toBe(true)
    const seen: unknown[] = []
    const page = await here.getOrSet<{ etag: string }>('page', ({ previous, notModified }) => {
      seen.push(previous)
      return notModified()
    })
    expect([seen, page]).toEqual([[{ etag: 'v1' }], { etag: 'v1' }])
    expect(await there.getEntry('page')).toMatchObject({ value: page, stale: false, tags: ['pages'] })
    expect(await there.getOrSet('page', unwanted)).toEqual(page)
  })

  it('force hands over what another process has just stored, however fresh', async () => {
    await here.set('counted', 1)
    await held(here, 'counted')
    await there.set('counted', 2)
    const next = ({ previous }: { previous: number | undefined }): number => (previous ?? 0) + 1
    expect(await here.getOrSet<number>('counted', next, { force: true })).toBe(3)
    expect(await there.get('counted', { fresh: true })).toBe(3)
  })

  it('nullTtl, jitter and set({ ttl }) are of the entry: the other process finds their deadlines', async () => {
    const ttlOf = async (key: string): Promise<number> => (await there.getEntry(key))?.ttl ?? 0
    await here.getOrSet('null', () => null, { ttl: '1h', nullTtl: '1m' })
    expect(await ttlOf('null')).toBeLessThanOrEqual(60_000)
    expect(await there.getOrSet('null', unwanted)).toBeNull()
    await here.getOrSet('decided', ({ set }) => (set({ ttl: '2h' }), 1), { jitter: 0 })
    expect(await ttlOf('decided')).toBeGreaterThan(7_190_000)
    await here.getOrSet('jittered', () => 1, { ttl: '1h', jitter: 0.999_999_999 })
    const left = await ttlOf('jittered')
    await there.getOrSet('jittered', ({ notModified }) => notModified(), {
      ttl: '1h',
      jitter: 0,
      force: true,
    })
    expect(await ttlOf('jittered')).toBeGreaterThan(left)
  })

  it('errorTtl holds in the process whose load has failed; the other tries itself', async () => {
    await expect(here.getOrSet('failing', down, { errorTtl: '1h' })).rejects.toThrow('source is down')
    await expect(here.getOrSet('failing', unwanted, { errorTtl: '1h' })).rejects.toThrow('source is down')
    expect(await there.getOrSet('failing', () => 'loaded', { errorTtl: '1h' })).toBe('loaded')
    expect(await here.getOrSet('failing', unwanted, { errorTtl: '1h' })).toBe('loaded')
  })

  it('skip() leaves nothing for the other', async () => {
    expect(await here.getOrSet('skipped', ({ skip }) => skip('handed out'))).toBe('handed out')
    expect(await there.getOrSet('skipped', () => 'loaded again')).toBe('loaded again')
  })
})

describe('the local cache', () => {
  async function outdated(key: string): Promise<void> {
    await deaf.set(key, 'old')
    await held(deaf, key)
    await there.set(key, 'new')
    expect(deaf.peek(key)).toBe('old')
  }

  it('is passed by with fresh, which sees what the other has committed', async () => {
    await outdated('fresh')
    expect(await deaf.getOrSet('fresh', unwanted, { fresh: true })).toBe('new')
    await outdated('fresh among many')
    expect(await deaf.getOrSetMany(['fresh among many'], unwanted, { fresh: true })).toEqual(['new'])
  })

  it('is passed by with local: false, whatever it still holds', async () => {
    await outdated('not local')
    expect(await deaf.getOrSet('not local', unwanted, { local: false })).toBe('new')
  })

  it('keeps a value for localTtl in this process, and as usual in the other', async () => {
    await deaf.getOrSet('as usual', () => 'value')
    expect(await held(deaf, 'as usual')).toBe('value')
    await deaf.getOrSet('shortly', () => 'value', { localTtl: 1 })
    expect(await held(there, 'shortly')).toBe('value')
    await expect.poll(() => deaf.peek('shortly'), { interval: 1 }).toBeUndefined()
    expect(deaf.peek('as usual')).toBe('value')
  })
})

describe('a wrapped function', () => {
  it('that is invalidated or refreshed in one process changes for all', async () => {
    let calls = 0
    const price = async (id: number): Promise<string> => `${id}, call ${++calls}`
    const key = (id: number): string => `price:${id}`
    const [mine, theirs] = [here.wrap(price, { key }), there.wrap(price, { key })]
    expect([await mine(1), await theirs(1)]).toEqual(['1, call 1', '1, call 1'])
    await mine.refresh(1)
    await there.sync()
    expect(await theirs(1)).toBe('1, call 2')
    await theirs.invalidate(1)
    await here.sync()
    expect(await mine(1)).toBe('1, call 3')
  })
})

describe('background work', () => {
  it('of a process that closes is done, and serves the other', async () => {
    await storeStale(here, 'closing', 'old')
    const own = new PostgresCache({ connectionString })
    const loaded = nextEvent(own, 'loaded')
    expect(await own.getOrSet('closing', async () => 'new', { grace: '1h', revalidate: 'background' })).toBe(
      'old',
    )
    await own.close()
    expect(await loaded).toMatchObject({ key: 'closing', stored: true })
    expect(await here.get('closing', { fresh: true })).toBe('new')
  })
})
