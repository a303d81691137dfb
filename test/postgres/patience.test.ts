import { afterAll, describe, expect, it } from 'vitest'
import { type GetOrSetOptions, PostgresCache } from '../../src/index.ts'
import { CountingLoad } from '../counting-load.ts'
import { createDatabase } from '../database.ts'
import { nextEvent } from '../next-event.ts'
import { TcpProxy } from '../tcp-proxy.ts'
import { holdReads } from './held-reads.ts'

const database = await createDatabase()
const connectionString = database.url
// A read that is held up is not to end by itself.
const cache = new PostgresCache({ connectionString, queryTimeout: '1m' })
await cache.connect()
afterAll(() => cache.close())

const BACKGROUND: GetOrSetOptions = { ttl: '1h', grace: '1h', revalidate: 'background' }

async function stale(key: string): Promise<void> {
  await cache.set(key, 'old', { ttl: 1, grace: '1h' })
  await expect.poll(async () => (await cache.getEntry(key))?.stale, { interval: 1 }).toBe(true)
}

describe("a signal with revalidate: 'background'", () => {
  it('that is aborted during the read takes its caller out and leaves the load to the others', async () => {
    await stale('something stale')
    for (const [key, answer] of [
      ['nothing there', 'new'],
      ['something stale', 'old'],
    ] as const) {
      const source = new CountingLoad(async () => 'new')
      const controller = new AbortController()
      const loaded = nextEvent(cache, 'loaded')
      await using reads = await holdReads(database)
      const patient = cache.getOrSet(key, source.load, BACKGROUND)
      const impatient = cache.getOrSet(key, source.load, { ...BACKGROUND, signal: controller.signal })
      await reads.awaited()
      controller.abort(new Error('gave up'))
      await expect(impatient).rejects.toThrow('gave up')
      await reads.release()
      expect(await patient).toBe(answer)
      expect(await loaded).toMatchObject({ key, stored: true })
      expect(source.runs).toBe(1)
    }
  })

  it('that is aborted during the read ends the load where nobody else asked', async () => {
    const source = new CountingLoad(async () => 'new')
    const controller = new AbortController()
    await using reads = await holdReads(database)
    const impatient = cache.getOrSet('only one', source.load, { ...BACKGROUND, signal: controller.signal })
    await reads.awaited()
    controller.abort(new Error('gave up'))
    await expect(impatient).rejects.toThrow('gave up')
    const failed = nextEvent(cache, 'load-failed')
    await reads.release()
    expect(await failed).toMatchObject({ key: 'only one' })
    expect(source.runs).toBe(0)
  })
})

describe('timeout and softTimeout', () => {
  it('serve what is held and stale while the store has not answered, and the load goes on', async () => {
    for (const options of [{ timeout: 20 }, { softTimeout: 20 }] as const) {
      const key = `held with ${JSON.stringify(options)}`
      await stale(key)
      const source = new CountingLoad(async () => 'new')
      const hits = nextEvent(cache, 'hit')
      await using reads = await holdReads(database)
      const patient = cache.getOrSet(key, source.load, { grace: '1h' })
      expect(await cache.getOrSet(key, source.load, { grace: '1h', ...options })).toBe('old')
      expect(await hits).toEqual({ key, tier: 'stale' })
      await reads.release()
      expect(await patient).toBe('new')
      expect(source.runs).toBe(1)
    }
  })

  it('serve nothing that the call does not want from the local cache', async () => {
    await stale('unwanted')
    await using reads = await holdReads(database)
    for (const unwanted of [{ fresh: true }, { local: false }, { force: true }] as const) {
      const hasty = cache.getOrSet('unwanted', () => 'new', { grace: '1h', timeout: 20, ...unwanted })
      await expect(hasty).rejects.toMatchObject({ code: 'wait-timeout', key: 'unwanted' })
    }
    await reads.release()
  })

  it('take what is held and cannot be decoded for nothing', async () => {
    let isBroken = false
    const decode = (content: string | Uint8Array): unknown => {
      if (isBroken) throw new Error('broken')
      return String(content)
    }
    const codec = { id: 'breaking', encode: String, decode }
    await using own = new PostgresCache({ connectionString, codec, queryTimeout: '1m' })
    await own.set('broken', 'old', { ttl: 1, grace: '1h' })
    await expect.poll(() => own.peek('broken'), { interval: 1 }).toBeUndefined()
    isBroken = true
    await using reads = await holdReads(database)
    const told = nextEvent(own, 'error')
    const hasty = own.getOrSet('broken', () => 'new', { grace: '1h', timeout: 20 })
    await expect(hasty).rejects.toMatchObject({ code: 'wait-timeout' })
    expect(await told).toMatchObject({ operation: 'decode', error: { code: 'invalid-value' } })
    await reads.release()
  })

  it('leave it to the store what is stale once it has answered', async () => {
    await using own = new PostgresCache({ connectionString, notifications: 'poll', maxStaleness: '1m' })
    await own.set('replaced', 'old', { ttl: 1, grace: '1h' })
    await expect.poll(() => own.peek('replaced'), { interval: 1 }).toBeUndefined()
    await cache.set('replaced', 'new', { grace: '1h' })
    const hit = nextEvent(own, 'hit')
    expect(await own.getOrSet('replaced', () => 'loaded', { ...BACKGROUND, timeout: '1m' })).toBe('new')
    expect(await hit).toEqual({ key: 'replaced', tier: 'store' })
  })

  it('count from the call, connecting included', async () => {
    await using proxy = await TcpProxy.to(connectionString)
    await using far = new PostgresCache({
      connectionString: proxy.urlOf(connectionString),
      queryTimeout: '1m',
      notifications: 'poll',
    })
    proxy.swallow()
    const source = new CountingLoad(async () => 'loaded')
    const controller = new AbortController()
    const patient = far.getOrSet('far', source.load)
    const aborted = far.getOrSet('given up', source.load, { signal: controller.signal })
    const hasty = far.getOrSet('far', source.load, { timeout: 20 })
    await expect(hasty).rejects.toMatchObject({ code: 'wait-timeout', key: 'far' })
    controller.abort(new Error('gave up'))
    await expect(aborted).rejects.toThrow('gave up')
    expect(source.runs).toBe(0)
    proxy.recover()
    proxy.cut()
    expect(await patient).toBe('loaded')
    expect(source.runs).toBe(1)
  })
})
