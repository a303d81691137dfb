// The figures of stats(): what is counted is in calls.test.ts, what is measured here.

import { afterAll, describe, expect, it } from 'vitest'
import { NullCache, PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'

const database = await createDatabase()
const cache = new PostgresCache({ connectionString: database.url })
afterAll(() => cache.close())

describe('stats', () => {
  it('know of no sync before the first, and then how long ago it was sent', async () => {
    await using own = new PostgresCache({ connectionString: database.url })
    expect(own.stats()).toMatchObject({ syncAgeMs: null, circuit: 'closed', session: 'none' })
    const before = performance.now()
    await own.sync()
    const after = performance.now()
    const { syncAgeMs, session } = own.stats()
    expect(session).toBe('live')
    expect(syncAgeMs).toBeGreaterThan(0)
    expect(syncAgeMs).toBeLessThanOrEqual(performance.now() - before)
    await expect.poll(() => own.stats().syncAgeMs).toBeGreaterThan(performance.now() - after)
  })

  it('show the share of reads that each tier has answered', async () => {
    await using own = new PostgresCache({ connectionString: database.url })
    expect(own.stats().hitRates).toEqual({ local: 0, store: 0, stale: 0 })
    await own.set('a', 1)
    await own.get('a', { fresh: true })
    await own.get('a', { fresh: true })
    await own.get('a', { fresh: true })
    await own.get('none')
    expect(own.stats().hitRates).toEqual({ local: 0, store: 0.75, stale: 0 })
  })

  it('hold how long each load and getOrSet took, and one in sixteen gets and sets', async () => {
    await using own = new PostgresCache({ connectionString: database.url, local: false })
    for (let i = 0; i < 17; i++) {
      await own.set(`key:${i}`, i)
      await own.get(`key:${i}`)
      await own.getOrSet(`loaded:${i}`, () => i)
      await own.getOrSet(`key:${i}`, () => i)
    }
    const { get, set, getOrSet, load } = own.stats().durations
    expect([get.count, set.count, getOrSet.count, load.count]).toEqual([2, 2, 34, 17])
    expect(getOrSet.sum).toBeGreaterThan(load.sum)
    expect(get.max).toBeGreaterThan(0.01)
    expect(get.max).toBeLessThan(30_000)
  })

  it('hold how long statements took and how many keys shared one, by kind', async () => {
    await using own = new PostgresCache({ connectionString: database.url, local: false })
    await own.setMany(Array.from({ length: 100 }, (_, i) => [`many:${i}`, i]))
    await own.getMany(Array.from({ length: 100 }, (_, i) => `many:${i}`))
    await own.delete('many:0')
    await own.invalidateTags('none')
    const { write, read, remove, invalidate, sync } = own.stats().statements
    expect(write?.keys).toMatchObject({ count: 1, sum: 100, max: 100 })
    expect(read?.keys).toMatchObject({ count: 1, sum: 100, max: 100 })
    expect(remove?.keys).toMatchObject({ count: 1, sum: 1 })
    expect(invalidate).toMatchObject({ keys: { count: 0 }, duration: { count: 1 }, failures: 0 })
    expect(sync?.duration.count).toBe(own.stats().syncs)
  })

  it('count the statements that failed', async () => {
    await using own = new PostgresCache({ connectionString: database.url, local: false })
    await own.set('text', 'no number')
    await expect(own.increment('text')).rejects.toMatchObject({ code: 'invalid-value' })
    expect(own.stats().statements['atomic']).toMatchObject({ duration: { count: 1 }, failures: 1 })
  })

  it('are of the same shape without a cache', async () => {
    const shape = (figures: object): string[] =>
      Object.entries(figures).flatMap(([name, value]: [string, unknown]) =>
        typeof value === 'object' && value !== null && !Array.isArray(value) && name !== 'statements'
          ? shape(value).map((inner) => `${name}.${inner}`)
          : [name],
      )
    expect(shape(new NullCache().stats())).toEqual(shape(cache.stats()))
  })
})
