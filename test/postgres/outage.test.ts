import pg from 'pg'
import { afterAll, describe, expect, it } from 'vitest'
import { startPostgres } from '../../scripts/embedded-postgres.ts'
import { type PoolLike, PostgresCache } from '../../src/index.ts'
import { nextEvent } from '../next-event.ts'

// A server of the tests' own, which may go away.
const server = await startPostgres()
const connectionString = server.url
afterAll(() => server.stop())

const unavailable = { code: 'unavailable' }

/** Counts who asks it for a connection. */
function countingPool(): { pool: PoolLike; attempts: () => number; end: () => Promise<void> } {
  const pool = new pg.Pool({ connectionString })
  pool.on('error', () => {})
  let attempts = 0
  const counted = {
    options: { connectionString },
    connect: () => {
      attempts += 1
      return pool.connect()
    },
  }
  return { pool: counted, attempts: () => attempts, end: () => pool.end() }
}

describe('while the server is gone', () => {
  it('reads miss, loaders run, writes reject at once, and all is well when it is back', async () => {
    const { pool, attempts, end } = countingPool()
    const cache = new PostgresCache({ pool, maxStaleness: 200 })
    await cache.setMany([['plain', 1], { key: 'graced', value: 'kept', grace: '1h' }])
    await expect
      .poll(async () => [await cache.getMany(['plain', 'graced']), cache.peek('plain'), cache.peek('graced')])
      .toEqual([[1, 'kept'], 1, 'kept'])
    const log: string[] = []
    for (const event of ['circuit-opened', 'circuit-closed', 'session-lost', 'session-restored'] as const)
      cache.on(event, () => log.push(event))
    await server.shutdown()
    // Local hits go on for as long as they are provably young enough.
    await expect.poll(() => cache.peek('plain')).toBeUndefined()

    expect(await cache.get('plain')).toBeUndefined()
    expect(await cache.get('plain', { fresh: true })).toBeUndefined()
    expect(await cache.has('plain')).toBe(false)
    expect(await cache.getMany(['plain', 'other'])).toEqual([undefined, undefined])
    expect(await cache.getEntry('plain')).toBeUndefined()
    expect(await cache.getOrSet('plain', () => 'loaded')).toBe('loaded')
    await expect(cache.getOrSet('plain', () => Promise.reject(new Error('down, too')))).rejects.toThrow(
      'down, too',
    )

    // What was stored with a grace is still served, as stale.
    const hit = nextEvent(cache, 'hit')
    expect(await cache.get('graced')).toBe('kept')
    expect(await hit).toEqual({ key: 'graced', tier: 'stale' })
    expect(await cache.getMany(['plain', 'graced'])).toEqual([undefined, 'kept'])
    expect(await cache.getOrSet('graced', () => 'loaded')).toBe('loaded')
    const fails = (): Promise<string> => Promise.reject(new Error('down, too'))
    expect(await cache.getOrSet('graced', fails)).toBe('kept')
    for (const refused of [{ fresh: true }, { local: false }])
      await expect(cache.getOrSet('graced', fails, refused)).rejects.toThrow('down, too')

    await expect(cache.set('plain', 2)).rejects.toMatchObject(unavailable)
    await expect(cache.setMany([['plain', 2]])).rejects.toMatchObject(unavailable)
    await expect(cache.delete('plain')).rejects.toMatchObject(unavailable)
    await expect(cache.invalidate('plain')).rejects.toMatchObject(unavailable)
    await expect(cache.clear()).rejects.toMatchObject(unavailable)
    await expect(cache.touch('plain', '1m')).rejects.toMatchObject(unavailable)
    await expect(cache.sync()).rejects.toMatchObject(unavailable)
    await expect(cache.prune()).rejects.toMatchObject(unavailable)
    await expect(cache.keys()[Symbol.asyncIterator]().next()).rejects.toMatchObject(unavailable)
    expect(log).toContain('circuit-opened')
    expect(log).toContain('session-lost')

    // The circuit is open: a thousand calls are a handful of attempts, not a thousand.
    const before = attempts()
    const began = performance.now()
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => cache.get(`many ${i}`)))
    for (let i = 0; i < 200; i++) await cache.getOrSet(`one by one ${i}`, () => i)
    const probes = attempts() - before
    // One probe each 50 ms at the most, and every probe doubles the wait up to 5 s.
    expect(probes).toBeLessThanOrEqual(1 + (performance.now() - began) / 50)

    const closed = nextEvent(cache, 'circuit-closed')
    const restored = nextEvent(cache, 'session-restored')
    await server.start()
    await expect
      .poll(() => cache.set('plain', 'back').then(() => 'stored', String), { timeout: 15_000 })
      .toBe('stored')
    await Promise.all([closed, restored])
    expect(await cache.get('plain', { fresh: true })).toBe('back')
    expect(await cache.get('graced', { fresh: true })).toBe('kept')
    await cache.close()
    await end()
  })

  it('a cache that has never connected works without it, and connects when it is back', async () => {
    await server.shutdown()
    const cache = new PostgresCache({ connectionString })
    expect(await cache.get('a')).toBeUndefined()
    expect(await cache.getMany(['a', 'b'])).toEqual([undefined, undefined])
    expect(await cache.getOrSet('a', () => 'loaded')).toBe('loaded')
    await expect(cache.set('a', 1)).rejects.toMatchObject(unavailable)
    await expect(cache.connect()).rejects.toMatchObject(unavailable)
    await server.start()
    await expect
      .poll(() => cache.connect().then(() => 'connected', String), { timeout: 15_000 })
      .toBe('connected')
    await cache.set('a', 1)
    expect(await cache.get('a')).toBe(1)
    await cache.close()
  })

  it('close() ends promptly', async () => {
    const cache = new PostgresCache({ connectionString })
    await cache.set('a', 1)
    await server.shutdown()
    await cache.get('b')
    await cache.close()
    await expect(cache.get('a')).rejects.toMatchObject({ code: 'closed' })
    const never = new PostgresCache({ connectionString })
    await never.get('a')
    await never.close()
    await server.start()
  })
})
