// PgBouncer in transaction mode, of a version that does not track prepared statements: statements of one client reach any
// connection, LISTEN is accepted and nothing ever arrives.

import { Client } from 'pg'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { CountingLoad } from '../../test/counting-load.ts'
import { createDatabase } from '../../test/database.ts'
import { Latch } from '../../test/latch.ts'
import { nextEvent } from '../../test/next-event.ts'
import { NodeProcess } from '../../test/nodes/node-process.ts'
import { expectAtMost, within } from './bound.ts'
import { runHarness } from './run-harness.ts'
import { PgBouncer } from './pgbouncer.ts'
import { describeWith } from './tools.ts'

// Fewer than there are clients: statements of one move from connection to connection.
const CONNECTIONS = 3
const MAX_STALENESS_MS = 500

describeWith('PgBouncer (apt-get install pgbouncer)', 'through PgBouncer in transaction mode', () => {
  let bouncer: PgBouncer
  beforeAll(async () => {
    bouncer = await PgBouncer.before(inject('serverUrl'), { connections: CONNECTIONS })
  })
  afterAll(() => bouncer[Symbol.asyncDispose]())

  it('a cache says so once, polls, and loses no call to statements that were prepared elsewhere', async () => {
    const database = await createDatabase()
    const connectionString = bouncer.urlOf(database.url)
    await PostgresCache.migrate({ connectionString: database.url })
    const caches = Array.from({ length: 3 }, () => new PostgresCache({ connectionString }))
    const degraded = caches.map(() => 0)
    for (const [i, cache] of caches.entries())
      cache.on('degraded', () => (degraded[i] = (degraded[i] ?? 0) + 1))
    await within(
      'connected, the lack of notifications found out',
      5_000,
      Promise.all(caches.map((cache) => cache.connect())),
    )
    for (let round = 0; round < 40; round++) {
      await Promise.all(
        caches.flatMap((cache, i) => [
          cache.set(`own ${i}`, round),
          cache.getOrSet(`loaded ${round}`, () => round),
          cache.get(`loaded ${round - 1}`, { fresh: true }),
          cache.delete(`loaded ${round - 2}`),
          cache.increment('shared'),
        ]),
      )
    }
    const own = await Promise.all(caches.map((cache, i) => cache.get(`own ${i}`, { fresh: true })))
    expect(own).toEqual([39, 39, 39])
    expect(await caches[0]?.get('shared', { fresh: true })).toBe(120)
    expect(caches.map((cache) => cache.stats().errors)).toEqual([0, 0, 0])
    expect(degraded).toEqual([1, 1, 1])
    await Promise.all(caches.map((cache) => cache.close()))
  })

  it('other processes hear of changes within maxStaleness, and share loads by lease rows', async () => {
    const database = await createDatabase()
    const options = { connectionString: bouncer.urlOf(database.url), maxStaleness: MAX_STALENESS_MS }
    await using cache = new PostgresCache(options)
    await cache.connect()
    await using node = await NodeProcess.start()
    await node.run('open', options)
    expect(await node.run('reported')).toEqual(['degraded'])
    for (let round = 0; round < 5; round++) {
      await cache.set('key', `value ${round}`)
      await node.run('hold', { key: 'key', value: `value ${round}` })
      const served = node.run('lastServed', { key: 'key', value: `value ${round}` })
      await cache.set('key', `value ${round}, changed`)
      const acknowledged = process.hrtime.bigint()
      const ms = Number(BigInt(await served) - acknowledged) / 1e6
      expectAtMost('served after it was overwritten', Math.max(0, ms), MAX_STALENESS_MS)
    }

    const latch = new Latch()
    const source = new CountingLoad(() => latch.opened.then(() => 'loaded'))
    const first = cache.getOrSet('once', source.load)
    await expect.poll(() => database.query('table postgres_cache.leases')).toHaveLength(1)
    const second = node.run('load', { keys: ['once'], value: 'loaded twice' })
    latch.open()
    expect(await first).toBe('loaded')
    expect(await second).toEqual(['loaded'])
    await expect.poll(() => database.query('table postgres_cache.leases')).toHaveLength(0)
  })

  it('a caller’s transaction invalidates with its commit, and leaves nothing set on the connection', async () => {
    const database = await createDatabase()
    const connectionString = bouncer.urlOf(database.url)
    await using cache = new PostgresCache({ connectionString, maxStaleness: '10m' })
    await database.query(
      'create table users (id integer primary key, name text); insert into users values (1, $$Ava$$)',
    )
    await cache.watch('users', { keys: ['user:{id}'] })
    const client = new Client(connectionString)
    await client.connect()
    const settings = async (): Promise<unknown> =>
      (await client.query(`select name, setting from pg_settings where source = 'session' order by name`))
        .rows
    const before = await settings()
    for (const end of ['rollback', 'commit']) {
      await cache.setMany(['user:1', 'other'].map((key) => [key, 'old']))
      await client.query('begin')
      const cached = await cache.withTransaction(client)
      await client.query(`update users set name = 'Eve' where id = 1`)
      await cached.invalidate('other')
      await cached.set('third', end)
      await client.query(end)
      await cache.sync()
      const expected = end === 'commit' ? [undefined, undefined, end] : ['old', 'old', undefined]
      expect(await cache.getMany(['user:1', 'other', 'third'])).toEqual(expected)
    }
    expect(await settings()).toEqual(before)
    await client.end()
  })

  it('nothing is set on a connection that others are given next', async () => {
    const database = await createDatabase()
    const connectionString = bouncer.urlOf(database.url)
    await using cache = new PostgresCache({ connectionString })
    await cache.connect()
    await Promise.all(Array.from({ length: 600 }, (_, i) => cache.get(`key ${i}`)))
    // Each has one of them to itself until its transaction ends.
    const clients = Array.from({ length: CONNECTIONS }, () => new Client(connectionString))
    const modes = clients.map(async (client) => {
      await client.connect()
      await client.query('begin')
      return (await client.query('show plan_cache_mode')).rows
    })
    expect((await Promise.all(modes)).flat()).toEqual(clients.map(() => ({ plan_cache_mode: 'auto' })))
    await Promise.all(clients.map((client) => client.end()))
  })

  it('a direct address for the session brings hints and locks back', async () => {
    const database = await createDatabase()
    const options = {
      connectionString: bouncer.urlOf(database.url),
      sessionConnectionString: database.url,
      maxStaleness: '10m',
    } as const
    await using cache = new PostgresCache(options)
    cache.on('degraded', ({ reason }) => expect.fail(reason))
    await cache.connect()
    await using node = await NodeProcess.start()
    await node.run('open', options)
    await cache.set('heard', 'old')
    await node.run('hold', { key: 'heard', value: 'old' })
    const evicted = node.run('evictedAt', 'heard')
    await database.query(`select setval('postgres_cache.hint_gate', 1)`)
    await cache.set('heard', 'new')
    await within('heard by a hint', 1_000, evicted)
    const latch = new Latch()
    const load = cache.getOrSet('locked', () => latch.opened.then(() => 'loaded'))
    const locks = `select from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`
    await expect.poll(() => database.query(locks)).toHaveLength(1)
    expect(await database.query('table postgres_cache.leases')).toEqual([])
    const loaded = nextEvent(cache, 'loaded')
    latch.open()
    expect(await load).toBe('loaded')
    expect(await loaded).toMatchObject({ stored: true })
  })

  it('the harness finds no promise broken', { timeout: 120_000 }, async () => {
    // Transactions that are held open keep theirs.
    await using wide = await PgBouncer.before(inject('serverUrl'), { connections: 60 })
    const pooler = wide.urlOf(inject('serverUrl'))
    const output = await runHarness([
      '--seconds',
      '10',
      '--processes',
      '3',
      '--clients',
      '6',
      '--pooler',
      pooler,
    ])
    expect(output).toMatch(/^violations +0$/m)
  })
})
