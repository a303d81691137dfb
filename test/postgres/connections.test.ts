import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { createRole } from '../limited-role.ts'
import { nextEvent } from '../next-event.ts'

const database = await createDatabase()
await database.install()

const TELLS_WHAT_TO_CHANGE = /pool\.max.*notifications: 'poll'.*max_connections/

describe('a server that grants one connection', () => {
  it('makes connect() fail for the session, saying what to change', async () => {
    await using role = await createRole(database, { attributes: 'connection limit 1' })
    await using cache = new PostgresCache({ connectionString: role.url, pool: { max: 1 } })
    await expect(cache.connect()).rejects.toMatchObject({
      code: 'too-many-connections',
      message: expect.stringMatching(TELLS_WHAT_TO_CHANGE),
    })
  })

  it('is enough for a cache that polls', async () => {
    await using role = await createRole(database, { attributes: 'connection limit 1' })
    await using cache = new PostgresCache({
      connectionString: role.url,
      pool: { max: 1 },
      notifications: 'poll',
    })
    await cache.connect()
    await cache.set('polled', 1)
    expect(await cache.getOrSet('polled', () => 2)).toBe(1)
    expect(await cache.getOrSet('polled too', () => 2)).toBe(2)
  })

  it('is enough for every call, with a session that is lost and tried again', async () => {
    await using role = await createRole(database, { attributes: 'connection limit 1' })
    await using cache = new PostgresCache({ connectionString: role.url, pool: { max: 1 } })
    const lost = nextEvent(cache, 'session-lost')
    await cache.set('sessionless', 1)
    expect((await lost).error.code).toBe('too-many-connections')
    expect(await cache.get('sessionless', { fresh: true })).toBe(1)
    expect(await cache.getOrSet('loaded', () => 2)).toBe(2)

    const restored = nextEvent(cache, 'session-restored')
    await role.alter('connection limit 2')
    expect((await restored).ms).toBeGreaterThan(0)
    await cache.connect()
  })
})

describe('a server that grants no connection', () => {
  it('makes writes fail with what to change, and reads miss', async () => {
    await using role = await createRole(database, { attributes: 'connection limit 0' })
    await using cache = new PostgresCache({ connectionString: role.url })
    const heard = nextEvent(cache, 'error')
    await expect(cache.set('refused', 1)).rejects.toMatchObject({
      code: 'too-many-connections',
      message: expect.stringMatching(TELLS_WHAT_TO_CHANGE),
    })
    expect(await cache.get('refused')).toBeUndefined()
    expect(await heard).toMatchObject({ operation: 'get' })
    expect(await cache.getMany(['refused'])).toEqual([undefined])
    expect(await cache.getOrSet('refused', () => 'loaded')).toBe('loaded')

    // The circuit is open meanwhile, and the reason still told.
    await expect(cache.set('refused', 1)).rejects.toThrow(TELLS_WHAT_TO_CHANGE)
    await role.alter('connection limit 2')
    await expect.poll(() => cache.set('granted', 1).then(() => 'stored', String)).toBe('stored')
  })
})

describe('more than a pool has connections for', () => {
  it('is told apart from a server that cannot be reached: nothing was sent', async () => {
    const { default: pg } = await import('pg')
    const pool = new pg.Pool({ connectionString: database.url, max: 1, connectionTimeoutMillis: 100 })
    try {
      await using cache = new PostgresCache({ pool, notifications: 'poll' })
      await cache.connect()
      const held = await pool.connect()
      await expect(cache.set('a', 1)).rejects.toMatchObject({
        code: 'timeout',
        message: expect.stringContaining('nothing was sent, because the pool gave no connection'),
      })
      held.release()
      await cache.set('a', 1)
    } finally {
      await pool.end()
    }
  })

  it('waits for its turn where it is thousands of atomic writes, and leaves a connection to reads', async () => {
    const { default: pg } = await import('pg')
    const pool = new pg.Pool({ connectionString: database.url, max: 4 })
    try {
      await using cache = new PostgresCache({ pool, local: false, queryTimeout: '30s' })
      await cache.set('read', 1)
      const progress = { isOver: false }
      const keys = Array.from({ length: 2_000 }, (_, i) => `counter ${i}`)
      const counting = Promise.all(keys.map((key) => cache.increment(key))).finally(
        () => (progress.isOver = true),
      )
      let mostWaiting = 0
      let reads = 0
      while (!progress.isOver) {
        expect(await cache.get('read')).toBe(1)
        reads += 1
        mostWaiting = Math.max(mostWaiting, pool.waitingCount)
        await nextTurn()
      }
      expect(await counting).toEqual(keys.map(() => 1))
      console.log(`beside 2,000 increments ${reads} reads, and at most ${mostWaiting} who wait for the pool`)
      expect(mostWaiting).toBeLessThanOrEqual(4)
    } finally {
      await pool.end()
    }
  })
})

describe('a pool of the caller’s', () => {
  it('is used, and never ended', async () => {
    const { default: pg } = await import('pg')
    const pool = new pg.Pool({ connectionString: database.url, max: 2 })
    try {
      for (let i = 0; i < 2; i++) {
        await using cache = new PostgresCache({ pool })
        await cache.set('pooled', i)
        expect(await cache.get('pooled', { fresh: true })).toBe(i)
        expect(await cache.getOrSet(`pooled ${i}`, () => i)).toBe(i)
      }
      expect(pool.ended).toBe(false)
      expect(pool.totalCount).toBeGreaterThan(0)
      expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    } finally {
      await pool.end()
    }
  })

  it('keeps its own settings: type parsers, search_path, isolation', async () => {
    const { default: pg } = await import('pg')
    const pool = new pg.Pool({
      connectionString: database.url,
      types: { getTypeParser: () => () => 'parsed by the caller' },
      options:
        '-c search_path=nowhere -c bytea_output=escape -c intervalstyle=iso_8601 -c datestyle=German -c standard_conforming_strings=off -c extra_float_digits=-5 -c default_transaction_isolation=serializable',
    })
    try {
      await database.install({ schemaPrefix: 'odd\\' })
      await using cache = new PostgresCache({ pool, schemaPrefix: 'odd\\' })
      await cache.set('bytes', Buffer.from([0, 92, 255]), { ttl: 90_061_001, tags: ['a\\b'] })
      await cache.set('text', { a: '\\' })
      expect(await cache.get('bytes', { fresh: true })).toEqual(Buffer.from([0, 92, 255]))
      expect(await cache.get('text', { fresh: true })).toEqual({ a: '\\' })
      const entry = await cache.getEntry('bytes')
      expect(entry?.tags).toEqual(['a\\b'])
      expect(Number(entry?.ttl)).toBeGreaterThan(90_000_000)
      expect(await cache.delete('text')).toBe(true)
      const [row] = (await pool.query('select current_setting($1) as is', ['default_transaction_isolation']))
        .rows
      expect(row).toEqual({ is: 'parsed by the caller' })
    } finally {
      await pool.end()
    }
  })

  it('lends a connection for two turns of the event loop, not for each statement', async () => {
    const { default: pg } = await import('pg')
    const pool = new pg.Pool({ connectionString: database.url })
    try {
      await using cache = new PostgresCache({ pool, local: false, notifications: 'poll' })
      await cache.set('lent', 1)
      await new Promise(setImmediate)
      let loans = 0
      pool.on('acquire', () => (loans += 1))
      for (let i = 0; i < 100; i++) await cache.get('lent')
      expect(loans).toBeLessThan(10)
      for (let i = 0; i < 2; i++) await new Promise(setImmediate)
      expect(pool.idleCount).toBe(pool.totalCount)
    } finally {
      await pool.end()
    }
  })

  it('serves the caller while the cache never rests', async () => {
    const { default: pg } = await import('pg')
    const pool = new pg.Pool({ connectionString: database.url, max: 1 })
    try {
      await using cache = new PostgresCache({ pool, local: false, notifications: 'poll' })
      await cache.connect()
      const served = new AbortController()
      const ask = async (): Promise<void> => {
        while (!served.signal.aborted) await cache.get('asked for without end')
      }
      const askers = Promise.all(Array.from({ length: 8 }, ask))
      for (let i = 1; i <= 100; i++)
        expect((await pool.query('select $1::int as i', [i])).rows).toEqual([{ i }])
      served.abort()
      await askers
    } finally {
      await pool.end()
    }
  })

  it('says so where none of its connections is free', async () => {
    const { default: pg } = await import('pg')
    const pool = new pg.Pool({ connectionString: database.url, max: 1 })
    try {
      await using cache = new PostgresCache({ pool, local: false, notifications: 'poll', queryTimeout: 100 })
      await cache.set('kept', 1)
      const errors: unknown[] = []
      cache.on('error', ({ error }) => errors.push(error))
      const taken = await pool.connect()
      const refusal = {
        code: 'timeout',
        message: expect.stringContaining(
          'nothing was sent, because the pool gave no connection: see whether host and port',
        ),
      }
      await expect(cache.set('kept', 2)).rejects.toMatchObject(refusal)
      expect(await cache.get('kept')).toBeUndefined()
      expect(errors.at(-1)).toMatchObject(refusal)
      taken.release()
      expect(await cache.get('kept')).toBe(1)
    } finally {
      await pool.end()
    }
  })
})

describe('an address that pg cannot read', () => {
  it.each([
    ['postgres://app:secret#1@127.0.0.1/db', 'percent-encode'],
    ['postgres://app:secret/1@127.0.0.1/db', 'percent-encode'],
    ['postgres://app@127.0.0.1:99999/db', 'look at the port'],
    ['postgres://app@127.0.0.1/db?sslrootcert=/missing.crt', '/missing.crt'],
  ])('is refused at once: %s', (address, advice) => {
    for (const option of ['connectionString', 'sessionConnectionString']) {
      expect(() => new PostgresCache({ [option]: address })).toThrow(
        expect.objectContaining({ code: 'invalid-option', option, message: expect.stringContaining(advice) }),
      )
    }
  })
})
