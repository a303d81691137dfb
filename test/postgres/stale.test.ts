import { afterAll, describe, expect, it } from 'vitest'
import { type Cache, type GetOrSetOptions, PostgresCache } from '../../src/index.ts'
import { CountingLoad } from '../counting-load.ts'
import { createDatabase } from '../database.ts'
import { Latch } from '../latch.ts'
import { nextEvent } from '../next-event.ts'

const database = await createDatabase()
const connectionString = database.url
const cache = new PostgresCache({ connectionString })
const other = new PostgresCache({ connectionString })
afterAll(() => Promise.all([cache.close(), other.close()]))

const BACKGROUND: GetOrSetOptions = { ttl: '1h', grace: '1h', revalidate: 'background' }
const down = (): Promise<never> => Promise.reject(new Error('source is down'))

/** An insert, of which nobody hears: no hint ends the flights of a test. */
async function stale(key: string): Promise<void> {
  await cache.set(key, 'old', { ttl: 1, grace: '1h' })
  await expect.poll(async () => (await cache.getEntry(key))?.stale, { interval: 1 }).toBe(true)
}

/** A loader that waits until it is let go, and counts its calls. */
function heldUp(value: string): { latch: Latch; source: CountingLoad<Promise<string>> } {
  const latch = new Latch()
  return { latch, source: new CountingLoad(() => latch.opened.then(() => value)) }
}

function logOf(of: Cache, key: string): string[] {
  const log: string[] = []
  of.on('hit', (hit) => hit.key === key && log.push(`hit: ${hit.tier}`))
  of.on('missed', (missed) => missed.key === key && log.push('missed'))
  of.on('loaded', (loaded) => loaded.key === key && log.push(`loaded, stored: ${loaded.stored}`))
  of.on('load-failed', (failed) => failed.key === key && log.push('load failed'))
  return log
}

describe("revalidate: 'background'", () => {
  it('serves what is stale at once, and replaces it behind that', async () => {
    await stale('behind')
    const { latch, source } = heldUp('new')
    const log = logOf(cache, 'behind')
    expect(await cache.getOrSet('behind', source.load, BACKGROUND)).toBe('old')
    expect(await cache.getOrSet('behind', source.load, BACKGROUND)).toBe('old')
    const loaded = nextEvent(cache, 'loaded')
    latch.open()
    await loaded
    expect(await cache.getOrSet('behind', source.load, BACKGROUND)).toBe('new')
    expect(source.runs).toBe(1)
    expect(log.filter((line) => !line.startsWith('hit: local'))).toEqual([
      'hit: stale',
      'hit: stale',
      'loaded, stored: true',
      ...log.filter((line) => line === 'hit: store'),
    ])
  })

  it('loads once in the cluster', async () => {
    await stale('once')
    const here = heldUp('from here')
    const there = heldUp('from there')
    expect(await cache.getOrSet('once', here.source.load, BACKGROUND)).toBe('old')
    await expect.poll(() => here.source.runs).toBe(1)
    expect(await other.getOrSet('once', there.source.load, BACKGROUND)).toBe('old')
    expect(await other.getOrSet('once', there.source.load, BACKGROUND)).toBe('old')
    const loaded = nextEvent(cache, 'loaded')
    here.latch.open()
    await loaded
    expect(await other.getOrSet('once', there.source.load, { ...BACKGROUND, fresh: true })).toBe('from here')
    expect(there.source.runs).toBe(0)
  })

  it('loads once in the process, although a read has ended the flight', async () => {
    await stale('detached')
    const { latch, source } = heldUp('new')
    expect(await cache.getOrSet('detached', source.load, BACKGROUND)).toBe('old')
    await expect.poll(() => source.runs).toBe(1)
    expect(await cache.get('detached', { fresh: true })).toBeUndefined()
    expect(await cache.getOrSet('detached', source.load, BACKGROUND)).toBe('old')
    // Time enough to ask for the lock, which this process would be given once more.
    for (let i = 0; i < 5; i++) await cache.get('meanwhile', { fresh: true })
    const loaded = nextEvent(cache, 'loaded')
    latch.open()
    await loaded
    expect(source.runs).toBe(1)
  })

  it('waits for the loader where nothing is there', async () => {
    expect(await cache.getOrSet('absent', async () => 'loaded', BACKGROUND)).toBe('loaded')
  })

  it('lets callers that want to wait join the load behind', async () => {
    await stale('joined')
    const { latch, source } = heldUp('new')
    expect(await cache.getOrSet('joined', source.load, BACKGROUND)).toBe('old')
    const waiting = cache.getOrSet('joined', source.load, { ...BACKGROUND, revalidate: 'blocking' })
    await cache.get('meanwhile', { fresh: true })
    latch.open()
    expect(await waiting).toBe('new')
    expect(source.runs).toBe(1)
  })

  it('goes on when a caller that joined it gives up', async () => {
    await stale('kept going')
    const { latch, source } = heldUp('new')
    expect(await cache.getOrSet('kept going', source.load, BACKGROUND)).toBe('old')
    const { signal } = new AbortController()
    const abort = new AbortController()
    const impatient = cache.getOrSet('kept going', source.load, { grace: '1h', signal: abort.signal })
    await cache.get('meanwhile', { fresh: true })
    abort.abort(new Error('gave up'))
    await expect(impatient).rejects.toThrow('gave up')
    const loaded = nextEvent(cache, 'loaded')
    latch.open()
    expect(await loaded).toMatchObject({ key: 'kept going', stored: true })
    expect(signal.aborted).toBe(false)
  })

  it('is no unhandled rejection when the load fails, and is tried again after the back-off', async () => {
    await stale('failing')
    const failed = nextEvent(cache, 'load-failed')
    expect(await cache.getOrSet('failing', down, { ...BACKGROUND, backoff: 1 })).toBe('old')
    await failed
    const source = new CountingLoad(async () => 'up again')
    const again = (): Promise<string> => cache.getOrSet('failing', source.load, { ...BACKGROUND, backoff: 1 })
    await expect.poll(again, { interval: 5 }).toBe('up again')
    expect(source.runs).toBe(1)
  })

  it('is waited for by close(), and handed to waitUntil', async () => {
    await stale('closing')
    const handed: Promise<void>[] = []
    const own = new PostgresCache({ connectionString, waitUntil: (work) => handed.push(work) })
    const { latch, source } = heldUp('new')
    expect(await own.getOrSet('closing', source.load, BACKGROUND)).toBe('old')
    expect(handed).toHaveLength(1)
    await expect.poll(() => source.runs).toBe(1)
    let closed = false
    const closing = own.close().finally(() => {
      closed = true
    })
    await cache.get('meanwhile', { fresh: true })
    expect(closed).toBe(false)
    latch.open()
    await Promise.all([closing, ...handed])
    expect(await cache.get('closing', { fresh: true })).toBe('new')
  })

  it('survives a waitUntil that throws', async () => {
    await stale('thrown')
    const own = new PostgresCache({
      connectionString,
      waitUntil: () => {
        throw new Error('not now')
      },
    })
    const told = nextEvent(own, 'error', ({ operation }) => operation === 'background')
    expect(await own.getOrSet('thrown', async () => 'new', BACKGROUND)).toBe('old')
    await told
    await own.close()
    expect(await cache.get('thrown', { fresh: true })).toBe('new')
  })

  it('is a default of a cache and of a namespace', async () => {
    await using own = new PostgresCache({ connectionString, grace: '1h', revalidate: 'background' })
    await stale('by default')
    const { latch, source } = heldUp('new')
    expect(await own.getOrSet('by default', source.load)).toBe('old')
    await stale('users:1')
    const users = cache.namespace('users', BACKGROUND)
    expect(await users.getOrSet('1', source.load)).toBe('old')
    latch.open()
  })

  it('serves each stale key of getOrSetMany at once only when all of them are', async () => {
    await stale('many 1')
    await stale('many 2')
    const { latch, source } = heldUp('new')
    const load = async (missing: readonly string[]): Promise<string[]> => {
      const value = await source.load()
      return missing.map(() => value)
    }
    expect(await cache.getOrSetMany(['many 1', 'many 2'], load, BACKGROUND)).toEqual(['old', 'old'])
    const loaded = nextEvent(cache, 'loaded', ({ key }) => key === 'many 2')
    latch.open()
    await loaded
    expect(await cache.getOrSetMany(['many 1', 'many 2'], load, BACKGROUND)).toEqual(['new', 'new'])
    expect(source.runs).toBe(1)
  })
})

describe('back-off', () => {
  it('serves what is stale without another try, and ends with it', async () => {
    await stale('backing off')
    const log = logOf(cache, 'backing off')
    const get = (load: () => unknown, backoff: GetOrSetOptions['backoff']): Promise<unknown> =>
      cache.getOrSet('backing off', load, { grace: '1h', backoff })
    expect(await get(down, '1h')).toBe('old')
    const source = new CountingLoad(() => 'up again')
    expect(await get(source.load, '1h')).toBe('old')
    expect(source.runs).toBe(0)
    expect(log).toEqual(['load failed', 'hit: stale', 'hit: stale'])
  })

  it('does not keep a caller from loading who has nothing stale, or forces it', async () => {
    await expect(cache.getOrSet('nothing stale', down, { backoff: '1h' })).rejects.toThrow('source is down')
    expect(await cache.getOrSet('nothing stale', () => 'loaded')).toBe('loaded')
    await stale('forced')
    expect(await cache.getOrSet('forced', down, { grace: '1h', backoff: '1h' })).toBe('old')
    expect(await cache.getOrSet('forced', () => 'new', { force: true })).toBe('new')
  })
})

describe('softTimeout', () => {
  it('serves what is stale when the load takes longer, and the load goes on', async () => {
    await stale('soft')
    const { latch, source } = heldUp('new')
    const options = { grace: '1h', softTimeout: 20 } as const
    expect(await cache.getOrSet('soft', source.load, options)).toBe('old')
    const patient = cache.getOrSet('soft', source.load, { grace: '1h' })
    await cache.get('meanwhile', { fresh: true })
    latch.open()
    expect(await patient).toBe('new')
    expect(source.runs).toBe(1)
  })

  it('changes nothing for a load that is faster, or that has nothing to stand in for it', async () => {
    await stale('fast')
    expect(await cache.getOrSet('fast', async () => 'new', { grace: '1h', softTimeout: '20s' })).toBe('new')
    const { latch, source } = heldUp('loaded')
    const waiting = cache.getOrSet('none', source.load, { grace: '1h', softTimeout: 1 })
    await expect.poll(() => source.runs).toBe(1)
    latch.open()
    expect(await waiting).toBe('loaded')
  })
})

describe('timeout', () => {
  it('rejects its caller, typed, and the load goes on for others', async () => {
    const { latch, source } = heldUp('late')
    const hasty = cache.getOrSet('hasty', source.load, { timeout: 20 })
    await expect(hasty).rejects.toMatchObject({ code: 'wait-timeout', key: 'hasty', option: 'timeout' })
    const loaded = nextEvent(cache, 'loaded')
    latch.open()
    expect(await loaded).toMatchObject({ key: 'hasty', stored: true })
    expect(await cache.get('hasty')).toBe('late')
    expect(source.runs).toBe(1)
  })

  it('serves what is stale instead, where grace allows it', async () => {
    await stale('graced')
    const { latch, source } = heldUp('late')
    expect(await cache.getOrSet('graced', source.load, { grace: '1h', timeout: 20 })).toBe('old')
    latch.open()
  })

  it('leaves a load behind that no other caller can abort', async () => {
    const { latch, source } = heldUp('late')
    const controller = new AbortController()
    const hasty = cache.getOrSet('left behind', source.load, { timeout: 20 })
    await expect(hasty).rejects.toMatchObject({ code: 'wait-timeout' })
    const impatient = cache.getOrSet('left behind', source.load, { signal: controller.signal })
    await cache.get('meanwhile', { fresh: true })
    const loaded = nextEvent(cache, 'loaded')
    controller.abort(new Error('gave up'))
    await expect(impatient).rejects.toThrow('gave up')
    latch.open()
    expect(await loaded).toMatchObject({ key: 'left behind', stored: true })
    expect(source.runs).toBe(1)
  })

  it('of one caller concerns no other, and a signal that is aborted afterwards aborts nothing', async () => {
    const { latch, source } = heldUp('late')
    const controller = new AbortController()
    const hasty = cache.getOrSet('two callers', source.load, { timeout: 20, signal: controller.signal })
    const patient = cache.getOrSet('two callers', source.load)
    await expect(hasty).rejects.toMatchObject({ code: 'wait-timeout' })
    controller.abort()
    latch.open()
    expect(await patient).toBe('late')
  })
})
