import { Transform } from 'node:stream'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CacheOptions, PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { TcpProxy } from '../tcp-proxy.ts'

const database = await createDatabase()
const proxy = await TcpProxy.to(database.url)
const connectionString = proxy.urlOf(database.url)
const pool = new pg.Pool({ connectionString })
// A pool without a listener for its idle connections ends the process; that is its owner's business.
pool.on('error', () => {})
afterAll(async () => {
  await pool.end()
  await proxy[Symbol.asyncDispose]()
})

// What would have ended the process.
const uncaught: unknown[] = []
const remember = (error: unknown): unknown => uncaught.push(error)
beforeAll(() => process.on('uncaughtException', remember))
afterAll(() => process.off('uncaughtException', remember))

const OPTIONS: Record<string, CacheOptions> = {
  'of its own pool': { connectionString },
  'of a given pool': { pool },
}

describe.each(Object.entries(OPTIONS))('when the connections %s break', (_, options) => {
  it('a statement that is under way fails, and the next ones go over new connections', async () => {
    await using cache = new PostgresCache({ ...options, local: false })
    await cache.set('a', 1)
    await database.query('begin; lock table postgres_cache.entries in exclusive mode')
    const write = cache.set('a', 2)
    const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
    await expect.poll(() => database.query(waiting), { interval: 5 }).toHaveLength(1)
    proxy.cut()
    await expect(write).rejects.toMatchObject({ code: 'unavailable' })
    await database.query('commit')
    await cache.set('a', 3)
    expect(await cache.get('a')).toBe(3)
    expect(uncaught).toEqual([])
  })
})

describe('a read whose connection breaks under it', () => {
  it.each(['glance', 'sync'])('is made again over another one, once: %s', async (statement) => {
    let breaks = 0
    await using breaking = await TcpProxy.to(database.url, {
      fromClient: () =>
        new Transform({
          transform(chunk: Buffer, _, done) {
            if (breaks === 0 || !chunk.includes(`postgres_cache_${statement}`)) return done(null, chunk)
            breaks--
            done(new Error('broken by the test'))
          },
        }),
    })
    await using cache = new PostgresCache({ connectionString: breaking.urlOf(database.url), local: false })
    const failures: string[] = []
    cache.on('error', ({ operation }) => failures.push(operation))
    await cache.set('read again', 1)
    const ask = (): Promise<unknown> =>
      statement === 'sync' ? cache.sync().then(() => 1) : cache.get('read again')
    breaks = 1
    expect(await ask()).toBe(1)
    expect({ breaks, failures }).toEqual({ breaks: 0, failures: [] })
    breaks = 2
    if (statement === 'sync') await expect(ask()).rejects.toMatchObject({ code: 'unavailable' })
    else expect(await ask()).toBeUndefined()
    expect(breaks).toBe(0)
    await expect.poll(ask).toBe(1)
  })
})

describe.each(Object.entries(OPTIONS))('a statement %s that gets no answer in time', (_, options) => {
  it('is ended on the server, too, where a lock keeps it', async () => {
    const waiting = (): Promise<unknown[]> =>
      database.query(
        `select query from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      )
    await using cache = new PostgresCache({ ...options, local: false, queryTimeout: 150 })
    await cache.set('kept', 1)
    await database.query('begin; lock table postgres_cache.entries in access exclusive mode')
    const load = cache.getOrSet('kept', () => 2)
    for (let i = 0; i < 3; i++) expect(await cache.get('kept')).toBeUndefined()
    await load
    await expect.poll(waiting).toEqual([])
    await database.query('commit')
    await expect.poll(() => cache.get('kept')).toBe(1)
    expect(uncaught).toEqual([])
  })
})
