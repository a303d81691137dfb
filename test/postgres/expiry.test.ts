import { afterAll, describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { held } from '../held.ts'
import { nextEvent } from '../next-event.ts'
import { ageRows } from './age-rows.ts'

const database = await createDatabase()
const connectionString = database.url
const cache = new PostgresCache({ connectionString, local: false })
afterAll(() => cache.close())

const down = (): Promise<never> => Promise.reject(new Error('source is down'))

describe('an entry', () => {
  it('expires by the database’s clock, wherever it is read', async () => {
    await cache.setMany([
      { key: 'short', value: 1, ttl: '1m' },
      { key: 'long', value: 2, ttl: '1h' },
      { key: 'for ever', value: 3, ttl: null },
    ])
    const keys = ['short', 'long', 'for ever']
    await ageRows(database, '59 seconds')
    expect(await cache.getMany(keys)).toEqual([1, 2, 3])
    await ageRows(database, '1 second')
    expect(await cache.getMany(keys)).toEqual([undefined, 2, 3])
    expect(await cache.has('short')).toBe(false)
    await ageRows(database, '1 hour')
    expect(await cache.getMany(keys)).toEqual([undefined, undefined, 3])
    await ageRows(database, '100 years')
    expect(await cache.getMany(keys)).toEqual([undefined, undefined, 3])
  })

  it('is loaded again after it has expired', async () => {
    await cache.set('reloaded', 'old', { ttl: '1m' })
    await ageRows(database, '1 minute')
    const loaded = cache.getOrSet('reloaded', ({ previous }) => ['new', previous === undefined])
    expect(await loaded).toEqual(['new', true])
    expect(await cache.get('reloaded')).toEqual(['new', true])
  })

  it('without a ttl of its own has the cache’s', async () => {
    await using own = new PostgresCache({ connectionString, ttl: '2h' })
    await using endless = new PostgresCache({ connectionString, ttl: null })
    await own.set('own', 1)
    await endless.set('endless', 1)
    await own.getOrSet('loaded', () => 1)
    expect((await cache.getEntry('own'))?.ttl).toBeGreaterThan(7_190_000)
    expect((await cache.getEntry('loaded'))?.ttl).toBeGreaterThan(6_900_000) // less jitter
    expect((await cache.getEntry('endless'))?.ttl).toBeNull()
  })

  it('may take ttl and tags from what was loaded', async () => {
    await cache.getOrSet('decided', ({ set }) => {
      set({ ttl: null, tags: ['late'] })
      return 1
    })
    expect(await cache.getEntry('decided')).toMatchObject({ ttl: null, tags: ['late'] })
  })

  it('leaves the local cache at its deadline, although nobody tells', async () => {
    await using local = new PostgresCache({ connectionString })
    await local.set('brief', 1, { ttl: '1s' })
    expect(await held(local, 'brief')).toBe(1)
    await expect.poll(() => local.peek('brief')).toBeUndefined()
    // Counted from before it was sent, it ends no later than in the database.
    await expect.poll(() => cache.get('brief')).toBeUndefined()
  })

  it('stays in the local cache no longer than local.ttl', async () => {
    await using local = new PostgresCache({ connectionString, local: { ttl: '1s' } })
    await local.set('long-lived', 1, { ttl: '1h' })
    expect(await held(local, 'long-lived')).toBe(1)
    await expect.poll(() => local.peek('long-lived')).toBeUndefined()
    expect(await local.get('long-lived')).toBe(1)
  })
})

describe('a stale entry within its grace', () => {
  const stale = async (key: string): Promise<void> => {
    await cache.set(key, 'old', { ttl: '1m', grace: '1h' })
    await ageRows(database, '2 minutes', key)
  }

  it('is not served by get, has and getMany', async () => {
    await stale('plain')
    expect(await cache.get('plain')).toBeUndefined()
    expect(await cache.has('plain')).toBe(false)
    expect(await cache.getMany(['plain'])).toEqual([undefined])
  })

  it('is not served while the loader succeeds, and is handed to it', async () => {
    await stale('renewed')
    expect(await cache.getOrSet('renewed', ({ previous }) => `new after ${String(previous)}`)).toBe(
      'new after old',
    )
    expect(await cache.get('renewed')).toBe('new after old')
  })

  it('is served when the loader fails, and said to be stale', async () => {
    await stale('graced')
    const failed = nextEvent(cache, 'load-failed')
    const hit = nextEvent(cache, 'hit')
    expect(await cache.getOrSet('graced', down)).toBe('old')
    expect(await failed).toMatchObject({ key: 'graced', error: { message: 'source is down' } })
    expect(await hit).toEqual({ key: 'graced', tier: 'stale' })
  })

  it('is served when the loader takes too long', async () => {
    await stale('slow')
    expect(await cache.getOrSet('slow', () => new Promise(() => {}), { loadTimeout: 20 })).toBe('old')
  })

  it('is no longer served after its grace', async () => {
    await stale('ended')
    await ageRows(database, '1 hour', 'ended')
    await expect(cache.getOrSet('ended', down)).rejects.toThrow('source is down')
  })

  it('is not served when its grace ended while the loader ran', async () => {
    await cache.set('meanwhile', 'old', { ttl: '1m', grace: '1m' })
    await ageRows(database, '119.9 seconds', 'meanwhile')
    const load = cache.getOrSet('meanwhile', async () => {
      await expect.poll(() => cache.getEntry('meanwhile'), { interval: 5 }).toBeUndefined()
      return down()
    })
    await expect(load).rejects.toThrow('source is down')
  })

  it('is not served once it was invalidated', async () => {
    await stale('void')
    await cache.invalidate('void')
    await expect(cache.getOrSet('void', down)).rejects.toThrow('source is down')
    await stale('void by prefix')
    await cache.deleteByPrefix('void by')
    await expect(cache.getOrSet('void by prefix', down)).rejects.toThrow('source is down')
  })
})

describe('without a grace', () => {
  it('a loader that fails rejects, although an expired row is still there', async () => {
    await cache.set('no grace', 'old', { ttl: '1m' })
    await ageRows(database, '61 seconds', 'no grace')
    await expect(cache.getOrSet('no grace', down)).rejects.toThrow('source is down')
  })
})

describe('the time zone of a session', () => {
  const ZONES = ['America/New_York', 'UTC', 'Asia/Tokyo']

  it('changes nothing, whoever writes and whoever reads', async () => {
    const caches: PostgresCache[] = []
    for (const zone of ZONES) {
      await database.query(`alter database "${database.name}" set timezone = '${zone}'`)
      const zoned = new PostgresCache({ connectionString })
      await zoned.connect()
      caches.push(zoned)
    }
    const shown = await database.query<{ zone: string }>(
      `select setting as zone from pg_db_role_setting, unnest(setconfig) as setting
       where setdatabase = (select oid from pg_database where datname = current_database())`,
    )
    expect(shown).toEqual([{ zone: 'TimeZone=Asia/Tokyo' }])

    for (const writer of caches) {
      await writer.set('zoned', 1, { ttl: '1h', grace: '1h' })
      for (const reader of caches) {
        const entry = await reader.getEntry('zoned')
        expect(entry?.ttl).toBeGreaterThan(3_590_000)
        expect(entry?.ttl).toBeLessThanOrEqual(3_600_000)
        expect(Math.abs(Number(entry?.createdAt) - Date.now())).toBeLessThan(10_000)
        await reader.sync() // without a lease nothing enters the local cache
        expect(await reader.get('zoned', { fresh: true })).toBe(1)
        expect(await held(reader, 'zoned')).toBe(1)
      }
      await ageRows(database, '61 minutes', 'zoned')
      for (const reader of caches) {
        expect(await reader.get('zoned', { fresh: true })).toBeUndefined()
        expect((await reader.getEntry('zoned'))?.stale).toBe(true)
        expect(await reader.touch('zoned', '2m')).toBe(true)
        expect((await reader.getEntry('zoned'))?.ttl).toBeLessThanOrEqual(120_000)
        expect(await reader.expire('zoned')).toBe(true)
      }
    }
    await Promise.all(caches.map((each) => each.close()))
  })
})
