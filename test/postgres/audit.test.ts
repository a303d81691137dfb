import { describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { held } from '../held.ts'
import { nextEvent } from '../next-event.ts'
import { withoutTriggers } from './without-triggers.ts'

const database = await createDatabase()
const options = { connectionString: database.url, audit: { sampleRate: 1 } } as const

describe('an audit', () => {
  it('finds what was changed behind all that tells of changes, and flushes the local cache', async () => {
    await using cache = new PostgresCache(options)
    await cache.setMany([
      ['changed', 'old'],
      ['removed', 'old'],
    ])
    expect([await held(cache, 'changed'), await held(cache, 'removed')]).toEqual(['old', 'old'])
    // As no program does it: without the triggers that write the feed.
    await withoutTriggers(database.query, 'postgres_cache', () =>
      database.query(
        `update postgres_cache.entries set value = '"new"', written_by = pg_current_xact_id(), as_of = pg_current_snapshot() where key = 'changed'`,
      ),
    )
    const found = nextEvent(cache, 'violation-found')
    const flushed = nextEvent(cache, 'flushed')
    expect(await cache.get('changed')).toBe('old')
    // One hit at a time of each key is audited.
    const reading = setInterval(() => void cache.get('changed'), 50)
    expect(await found).toEqual({ key: 'changed' })
    clearInterval(reading)
    expect((await flushed).reason).toBe('violation')
    expect(await cache.get('changed')).toBe('new')
    expect(cache.stats().violations).toBe(1)
  })

  it.each<[string, string]>([
    ['a deleted entry', `delete from postgres_cache.entries where key = 'gone'`],
    ['an invalidated entry', 'select'],
  ])('finds %s that is still held', async (_, removal) => {
    await using cache = new PostgresCache(options)
    await cache.set('gone', 'old')
    expect(await held(cache, 'gone')).toBe('old')
    await withoutTriggers(database.query, 'postgres_cache', async () => {
      await database.query(removal)
      await database.query(
        `insert into postgres_cache.invalidations (target, txid) values ('kgone', pg_current_xact_id())`,
      )
      await database.query(`insert into postgres_cache.invalidators (txid) values (pg_current_xact_id())`)
    })
    const found = nextEvent(cache, 'violation-found')
    const reading = setInterval(() => void cache.get('gone'), 50)
    expect(await found).toEqual({ key: 'gone' })
    clearInterval(reading)
    expect(await cache.get('gone')).toBeUndefined()
  })

  it('does not mind what housekeeping voids', async () => {
    await using cache = new PostgresCache(options)
    await cache.set('fenced', 'right')
    expect(await held(cache, 'fenced')).toBe('right')
    await database.query('update postgres_cache.state set trim_fence = pg_current_snapshot()')
    const until = performance.now() + 1_500
    while (performance.now() < until) {
      await cache.get('fenced')
      await new Promise(setImmediate)
    }
    expect(await cache.get('fenced', { fresh: true })).toBeUndefined()
    expect(cache.stats().violations).toBe(0)
  })

  it('finds nothing where others change all the time', async () => {
    await using cache = new PostgresCache(options)
    await using other = new PostgresCache({ connectionString: database.url, local: false })
    const keys = Array.from({ length: 8 }, (_, i) => `key ${i}`)
    const until = performance.now() + 2_500
    while (performance.now() < until) {
      const writer = Math.random() < 0.5 ? cache : other
      const key = keys[Math.floor(Math.random() * keys.length)] as string
      await Promise.all([
        writer.set(key, Math.random()),
        cache.getMany(keys),
        ...keys.map((each) => cache.get(each)),
      ])
      if (Math.random() < 0.1) await writer.invalidate(key)
    }
    expect(cache.stats().hits.local).toBeGreaterThan(0)
    expect(cache.stats()).toMatchObject({ violations: 0, errors: 0 })
  })

  it('is of a share from 0 to 1', () => {
    for (const sampleRate of [-0.1, 1.1, Number.NaN, '1'] as number[])
      expect(() => new PostgresCache({ audit: { sampleRate } })).toThrow(
        '`audit.sampleRate` to be a number from 0 to 1',
      )
  })
})
