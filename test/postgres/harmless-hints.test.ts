// A hint must never hurt: not the commit of a caller, and not a cache that cannot hear it.

import { Transform } from 'node:stream'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PostgresServer } from '../../scripts/embedded-postgres.ts'
import { majorFromEnvironment } from '../../scripts/database-url.ts'
import { PostgresCache } from '../../src/index.ts'
import { CountingLoad } from '../counting-load.ts'
import { createDatabase } from '../database.ts'
import { Latch } from '../latch.ts'
import { nextEvent } from '../next-event.ts'
import { HAS_OWN_SERVERS, startOwnServer } from '../own-server.ts'
import { TcpProxy } from '../tcp-proxy.ts'
import { Ear } from './ear.ts'

async function connectTo(connectionString: string): Promise<Client & AsyncDisposable> {
  const client = new Client({ connectionString })
  await client.connect()
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() })
}

describe.skipIf(!HAS_OWN_SERVERS)('with max_prepared_transactions above 0', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startOwnServer({ max_prepared_transactions: '10' })
  })
  afterAll(() => server.stop())

  it('a prepared transaction changes watched tables and invalidates, heard of once it is committed', async () => {
    await using cache = new PostgresCache({ connectionString: server.url, maxStaleness: '10m' })
    await using client = await connectTo(server.url)
    await client.query('create table users (id integer primary key, name text)')
    await cache.watch('users', { keys: ['user:{id}'] })
    await cache.setMany(['user:1', 'user:2', 'other', 'undone'].map((key) => [key, 'old']))
    await using admin = await connectTo(server.url)
    const ear = await Ear.listen(admin)

    const prepare = async (name: string, id: number, key: string): Promise<void> => {
      await client.query('begin')
      const cached = await cache.withTransaction(client)
      await client.query('insert into users values ($1, $2)', [id, 'Ava'])
      await cached.invalidate(key)
      await cached.set(`set ${name}`, 'in a transaction')
      await client.query(`prepare transaction '${name}'`)
    }
    await prepare('kept', 1, 'other')
    await prepare('undone', 2, 'undone')
    await cache.sync()
    expect(await cache.getMany(['user:1', 'user:2', 'other', 'undone'])).toEqual(Array(4).fill('old'))
    await client.query(`rollback prepared 'undone'`)
    await client.query(`commit prepared 'kept'`)
    await cache.sync()
    expect(await cache.getMany(['user:1', 'user:2', 'other', 'undone', 'set kept', 'set undone'])).toEqual([
      undefined,
      'old',
      undefined,
      'old',
      'in a transaction',
      undefined,
    ])
    expect(await ear.hear()).toEqual([])
  })

  it('the cache’s own writes are hinted all the same', async () => {
    await using cache = new PostgresCache({ connectionString: server.url, local: false })
    await using admin = await connectTo(server.url)
    await cache.set('hinted', 1)
    const ear = await Ear.listen(admin)
    await admin.query(`select setval('postgres_cache.hint_gate', 1)`)
    await cache.set('hinted', 2)
    expect(await ear.hear()).toHaveLength(1)
  })
})

const hasQueueSetting = majorFromEnvironment() >= 17
// Before PostgreSQL 17 the queue has 8 GB, and there is no setting to make it smaller.
describe.skipIf(!HAS_OWN_SERVERS || !hasQueueSetting)(
  'from PostgreSQL 17 on, when the queue of notifications fills up',
  () => {
    let server: PostgresServer
    beforeAll(async () => {
      server = await startOwnServer({ max_notify_queue_pages: '64' })
    })
    afterAll(() => server.stop())

    const usage = async (client: Client): Promise<number> => {
      const { rows } = await client.query<{ usage: number }>('select pg_notification_queue_usage() as usage')
      return rows[0]?.usage ?? 0
    }

    /** A listener that is idle in a transaction keeps everything in the queue. */
    async function clog(listener: Client): Promise<void> {
      await listener.query('listen cache_events')
      await listener.query('begin')
    }

    async function fillQueue(client: Client, upTo: number): Promise<void> {
      while ((await usage(client)) <= upTo) {
        await client.query(
          `select pg_notify('cache_events', i || repeat('x', 7900)) from generate_series(1, 4) as i`,
        )
      }
    }

    it('writes and callers’ transactions commit, without a hint', async () => {
      await using cache = new PostgresCache({ connectionString: server.url, maxStaleness: '10m' })
      await using client = await connectTo(server.url)
      await using listener = await connectTo(server.url)
      await client.query('create table users (id integer primary key, name text)')
      await cache.watch('users', { keys: ['user:{id}'] })
      const change = async (round: string): Promise<void> => {
        await cache.setMany([
          ['user:1', 'old'],
          ['other', 'old'],
        ])
        await client.query('begin')
        await client.query(
          `insert into users values (1, $1) on conflict (id) do update set name = excluded.name`,
          [round],
        )
        await (await cache.withTransaction(client)).invalidate('other')
        await client.query('commit')
        await cache.sync()
        expect(await cache.getMany(['user:1', 'other'])).toEqual([undefined, undefined])
        expect(await cache.getOrSet('user:1', () => round)).toBe(round)
        expect(await cache.delete('user:1')).toBe(true)
      }
      await clog(listener)
      await change('empty')
      await fillQueue(client, 0.26)
      const before = await usage(client)
      for (let i = 0; i < 20; i++) {
        await client.query(`select setval('postgres_cache.hint_gate', 1)`)
        await change(`round ${i}`)
      }
      expect(await usage(client)).toBe(before)

      await expect(fillQueue(client, 1)).rejects.toThrow('too many notifications')
      await change('full')
      await using late = new PostgresCache({ connectionString: server.url })
      await late.set('late', 1)
      expect(await late.getOrSet('late', () => 2)).toBe(1)
      expect(await late.getOrSet('later', () => 3)).toBe(3)
    })
  },
)

/** As a pooler in transaction mode: LISTEN is accepted, and nothing ever arrives. */
function withoutNotifications(swallow: () => boolean = () => true): Transform {
  let rest = Buffer.alloc(0)
  return new Transform({
    transform(chunk: Buffer, _, done) {
      rest = Buffer.concat([rest, chunk])
      for (;;) {
        // A message: one byte that says which, the length of the rest in four bytes, the rest.
        const end = rest.length < 5 ? Infinity : 1 + rest.readInt32BE(1)
        if (rest.length < end) return done()
        if (rest[0] !== 'A'.charCodeAt(0) || !swallow()) this.push(rest.subarray(0, end))
        rest = rest.subarray(end)
      }
    },
  })
}

describe('over a connection that swallows notifications', async () => {
  const database = await createDatabase()
  const proxy = await TcpProxy.to(database.url, { fromServer: () => withoutNotifications() })
  const connectionString = proxy.urlOf(database.url)
  afterAll(() => proxy[Symbol.asyncDispose]())

  it('a cache finds out when it connects, says so once, and gives the connection back', async () => {
    await using cache = new PostgresCache({ connectionString, pool: { max: 1 } })
    const reasons: string[] = []
    cache.on('degraded', ({ reason }) => reasons.push(reason))
    await cache.connect()
    expect(reasons).toEqual([expect.stringContaining('`sessionConnectionString`')])
    await expect.poll(() => proxy.links.length).toBe(1)
  })

  it('a direct address for the session makes it hear', async () => {
    await using cache = new PostgresCache({
      connectionString,
      sessionConnectionString: database.url,
      maxStaleness: '10m',
    })
    await using writer = new PostgresCache({ connectionString: database.url, local: false })
    cache.on('degraded', ({ reason }) => expect.fail(reason))
    await cache.set('heard', 'old')
    await expect.poll(async () => [await cache.get('heard'), cache.peek('heard')]).toEqual(['old', 'old'])
    const evicted = nextEvent(cache, 'evicted')
    await database.query(`select setval('postgres_cache.hint_gate', 1)`)
    await writer.set('heard', 'new')
    expect(await evicted).toEqual({ key: 'heard', reason: 'changed' })
  })

  it('a session address of another database is found out', async () => {
    const elsewhere = await createDatabase({ isInstalled: false })
    await using cache = new PostgresCache({
      connectionString: database.url,
      sessionConnectionString: elsewhere.url,
    })
    const degraded = nextEvent(cache, 'degraded')
    await cache.connect()
    expect((await degraded).reason).toContain('from another database')
  })

  it('changes by others are heard of within maxStaleness, and loads are still shared', async () => {
    await using one = new PostgresCache({ connectionString, maxStaleness: 300 })
    await using two = new PostgresCache({ connectionString, maxStaleness: 300 })
    await Promise.all([one.connect(), two.connect()])
    await one.set('shared', 'old')
    await expect.poll(async () => [await two.get('shared'), two.peek('shared')]).toEqual(['old', 'old'])
    await one.set('shared', 'new')
    const acknowledged = performance.now()
    let lastStale = acknowledged
    for (;;) {
      const asked = performance.now()
      if ((await two.get('shared')) === 'new') break
      lastStale = asked
      await new Promise(setImmediate)
    }
    expect(lastStale - acknowledged).toBeLessThanOrEqual(300)

    const latch = new Latch()
    const source = new CountingLoad(() => latch.opened.then(() => 'loaded'))
    const callers = [one, two].map((cache) => cache.getOrSet('once', source.load))
    await expect.poll(() => database.query('table postgres_cache.leases')).toHaveLength(1)
    latch.open()
    expect(await Promise.all(callers)).toEqual(['loaded', 'loaded'])
    expect(source.runs).toBe(1)
  })
})

describe('a session that is opened again', async () => {
  const database = await createDatabase()
  let swallowed: number | null = null
  const swallow = (): boolean => swallowed !== null && ++swallowed > 0
  const proxy = await TcpProxy.to(database.url, { fromServer: () => withoutNotifications(swallow) })
  const sessionConnectionString = proxy.urlOf(database.url)
  afterAll(() => proxy[Symbol.asyncDispose]())

  it('where notifications have arrived before takes silence for one more loss', async () => {
    await using cache = new PostgresCache({ connectionString: database.url, sessionConnectionString })
    cache.on('degraded', ({ reason }) => expect.fail(reason))
    await cache.connect()
    const restored = nextEvent(cache, 'session-restored')
    swallowed = 0
    proxy.cut()
    await expect.poll(() => swallowed, { timeout: 10_000 }).toBe(2)
    swallowed = null
    await restored
  })

  it('says that notifications cannot work where none has ever arrived', async () => {
    const { port } = new URL(database.url)
    proxy.switchTo(1)
    await using cache = new PostgresCache({ connectionString: database.url, sessionConnectionString })
    const degraded = nextEvent(cache, 'degraded')
    await cache.connect().catch(() => {})
    swallowed = 0
    proxy.switchTo(Number(port))
    expect((await degraded).reason).toContain('`sessionConnectionString`')
  })
})
