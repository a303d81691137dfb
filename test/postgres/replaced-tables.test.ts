// The tables are replaced under a client that goes on working: by a crash, a dump, a copy, or another server at the same address.

import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PostgresServer } from '../../scripts/embedded-postgres.ts'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { Latch } from '../latch.ts'
import { nextEvent } from '../next-event.ts'
import { HAS_OWN_SERVERS, startOwnServer } from '../own-server.ts'
import { TcpProxy } from '../tcp-proxy.ts'
import { restoreInto } from './dump.ts'

async function connectTo(connectionString: string): Promise<Client & AsyncDisposable> {
  const client = new Client({ connectionString })
  client.on('error', () => {}) // servers are killed here
  await client.connect()
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() })
}

/** Reads while the tables are replaced until that is noticed, and a little more; returns what was read. */
async function readThrough(
  cache: PostgresCache,
  key: string,
  replace: () => Promise<void>,
): Promise<unknown[]> {
  const values: unknown[] = []
  const flushed = new AbortController()
  cache.on('flushed', () => flushed.abort())
  await replace()
  while (!flushed.signal.aborted) {
    values.push(await cache.get(key), cache.peek(key))
    await new Promise(setImmediate)
  }
  values.push(await cache.get(key), cache.peek(key), await cache.get(key, { fresh: true }), cache.peek(key))
  return values
}

describe.skipIf(!HAS_OWN_SERVERS)('after a crash of the server', () => {
  it('no new world begins while a prepared transaction is pending', async () => {
    await using server = await startOwnServer({ max_prepared_transactions: '10' })
    await using cache = new PostgresCache({ connectionString: server.url, schema: 'pending' })
    await cache.set('key', 'old')
    const client = await connectTo(server.url)
    await client.query(`begin; select pending.invalidate('key'); prepare transaction 'pending'`)
    const told = nextEvent(cache, 'error', ({ error }) => error.message.includes('pg_prepared_xacts'))
    await server.kill()
    await server.start()
    await expect
      .poll(() =>
        cache.sync().then(
          () => 'reached',
          (error: Error) => error.message,
        ),
      )
      .toBe('reached')
    expect(cache.peek('key')).toBeUndefined()
    expect(await cache.get('key')).toBeUndefined()
    expect(await cache.getOrSet('key', () => 'loaded')).toBe('loaded')
    expect(await cache.get('key')).toBeUndefined()
    await expect(cache.set('key', 'new')).rejects.toMatchObject({ code: 'read-only' })
    await expect(cache.delete('key')).rejects.toMatchObject({ code: 'read-only' })
    // Who only reads is told, too.
    expect(await told).toMatchObject({ operation: 'sync', error: { code: 'read-only' } })

    await using again = await connectTo(server.url)
    await again.query(`commit prepared 'pending'`)
    await cache.set('key', 'new')
    await cache.sync()
    expect(await cache.get('key')).toBe('new')
  })
})

describe('a new world', () => {
  it('keeps what is written first, although others ended while it began', async () => {
    const { url: connectionString, query, install } = await createDatabase()
    await install()
    await using blocking = await connectTo(connectionString)
    await using settling = await connectTo(connectionString)
    await blocking.query('begin')
    await blocking.query('lock table postgres_cache.leases in access share mode')
    const settled = settling.query('select postgres_cache.settle_world()')
    const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
    await expect.poll(() => query(waiting), { interval: 5 }).toHaveLength(1)
    await query('select pg_current_xact_id()')
    await blocking.query('commit')
    await settled
    expect(await query(`select postgres_cache.set('first', '1') as stored`)).toEqual([{ stored: true }])
    expect(await query(`select postgres_cache.get('first') as value`)).toEqual([{ value: 1 }])
  })
})

describe('when a database is replaced by a copy of itself', () => {
  it('nothing of the copy is served', async () => {
    const { query, ...elsewhere } = await createDatabase()
    await elsewhere.install()
    const name = `${elsewhere.name}_replaced`
    await expect
      .poll(() =>
        query('select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()'),
      )
      .toEqual([])
    await query(`create database "${name}" template "${elsewhere.name}"`)
    const address = new URL(elsewhere.url)
    address.pathname = `/${name}`
    const connectionString = address.href
    const clientsLeave = (): Promise<void> =>
      expect.poll(() => query('select from pg_stat_activity where datname = $1', [name])).toEqual([])
    {
      await using cache = new PostgresCache({ connectionString })
      await cache.setMany([
        ['overwritten', 'old'],
        ['invalidated', 'old'],
      ])
    }
    await clientsLeave()
    await query(`create database "${name}_copy" template "${name}"`)

    await using cache = new PostgresCache({ connectionString })
    await cache.set('overwritten', 'new')
    await cache.invalidate('invalidated')
    expect(cache.peek('overwritten')).toBe('new')
    const values = await readThrough(cache, 'overwritten', async () => {
      await query(`alter database "${name}" allow_connections false`)
      await query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name])
      await clientsLeave()
      await query(`alter database "${name}" rename to "${name}_first"`)
      await query(`alter database "${name}_copy" rename to "${name}"`)
    })
    expect(values).not.toContain('old')
    expect(values.slice(-4)).toEqual(Array(4).fill(undefined))
    expect(await cache.get('invalidated')).toBeUndefined()
    await cache.close()
    for (const each of [name, `${name}_first`]) await query(`drop database "${each}" with (force)`)
  })
})

describe.skipIf(!HAS_OWN_SERVERS)('when the address leads to another server', () => {
  let first: PostgresServer
  let second: PostgresServer
  beforeAll(async () => {
    ;[first, second] = await Promise.all([startOwnServer(), startOwnServer()])
  })
  afterAll(() => Promise.all([first.stop(), second.stop()]))

  /** Each test has a schema of its own on both. */
  async function open(schema: string): Promise<
    AsyncDisposable & {
      cache: PostgresCache
      /** Clients of the two servers themselves. */
      one: PostgresCache
      two: PostgresCache
      proxy: TcpProxy
      sessions: TcpProxy
    }
  > {
    const proxy = await TcpProxy.to(first.url)
    const sessions = await TcpProxy.to(first.url)
    const options = { schema, local: false } as const
    const one = new PostgresCache({ ...options, connectionString: first.url })
    const two = new PostgresCache({ ...options, connectionString: second.url })
    const cache = new PostgresCache({
      schema,
      pool: { max: 2 },
      connectionString: proxy.urlOf(first.url),
      sessionConnectionString: sessions.urlOf(first.url),
    })
    await cache.connect()
    return {
      cache,
      one,
      two,
      proxy,
      sessions,
      [Symbol.asyncDispose]: async () => {
        await Promise.all([cache.close(), one.close(), two.close()])
        await Promise.all([proxy[Symbol.asyncDispose](), sessions[Symbol.asyncDispose]()])
      },
    }
  }

  it('where a dump was restored, nothing of the dump is served', async () => {
    const schema = 'restored'
    await using opened = await open(schema)
    const { cache, proxy, sessions } = opened
    await cache.setMany([
      ['overwritten', 'old'],
      ['invalidated', 'old'],
      ['untouched', 'old'],
    ])
    await restoreInto(second, first, schema)
    await cache.set('overwritten', 'new')
    await cache.invalidate('invalidated')

    const values = await readThrough(cache, 'overwritten', async () => {
      for (const each of [proxy, sessions]) each.switchTo(second.port)
      for (const each of [proxy, sessions]) each.cut()
    })
    expect(values).not.toContain('old')
    expect(values.slice(-4)).toEqual(Array(4).fill(undefined))
    expect(await cache.getMany(['invalidated', 'untouched'])).toEqual([undefined, undefined])
    await using client = await connectTo(second.url)
    expect((await client.query(`select key from ${schema}.entries`)).rows).toEqual([])
  })

  it('nothing that was read on the one is stored on the other', async () => {
    await using opened = await open('fenced')
    const { cache, two, proxy, sessions } = opened
    await two.set('key', 'before')
    // The snapshots of the first server look newer than all of the second's.
    await using client = await connectTo(first.url)
    await client.query(
      `do $$ begin for i in 1..1000 loop perform pg_current_xact_id(); commit; end loop; end $$`,
    )
    const latch = new Latch()
    const begun = new Latch()
    const load = cache.getOrSet('loaded', async () => {
      begun.open()
      await latch.opened
      return 'of the first'
    })
    await begun.opened
    for (const each of [proxy, sessions]) each.switchTo(second.port)
    for (const each of [proxy, sessions]) each.cut()
    await expect
      .poll(() =>
        cache.sync().then(
          () => true,
          () => false,
        ),
      )
      .toBe(true)
    await two.invalidate('loaded')
    const loaded = nextEvent(cache, 'loaded')
    latch.open()
    expect(await load).toBe('of the first')
    expect(await loaded).toMatchObject({ stored: false })
    expect(await two.get('loaded')).toBeUndefined()
    expect(await cache.get('loaded')).toBeUndefined()
  })

  it('a connection that stays behind is noticed, and nothing from there enters the local cache', async () => {
    await using opened = await open('behind')
    const { cache, one, two, proxy, sessions } = opened
    const keys = Array.from({ length: 50 }, (_, i) => `key ${i}`)
    await one.setMany(keys.map((key) => [key, 'first']))
    await two.setMany(keys.map((key) => [key, 'second']))
    // Both connections are used.
    await Promise.all([
      cache.getMany(keys, { fresh: true }),
      cache.sync(),
      cache.getMany(keys, { fresh: true }),
    ])
    expect(proxy.links).toHaveLength(2)
    expect(await cache.get('key 0')).toBe('first')

    const flushed = nextEvent(cache, 'flushed')
    for (const each of [proxy, sessions]) each.switchTo(second.port)
    sessions.cut()
    proxy.links[0]?.cut()
    await Promise.all([
      flushed,
      (async () => {
        for (const key of keys) await cache.get(key, { fresh: true })
      })(),
    ])
    for (const key of keys) {
      const both = await Promise.all([cache.get(key), cache.get(key, { fresh: true })])
      expect([...both, cache.peek(key) ?? 'second']).toEqual(['second', 'second', 'second'])
    }
    expect(proxy.links.map(({ port }) => port)).not.toContain(first.port)
  })

  it('all connections that stay behind are noticed by the session that does not', async () => {
    await using opened = await open('session')
    const { cache, one, two, proxy, sessions } = opened
    await one.set('key', 'first')
    await two.set('key', 'second')
    expect(await cache.get('key')).toBe('first')
    const flushed = nextEvent(cache, 'flushed')
    for (const each of [proxy, sessions]) each.switchTo(second.port)
    sessions.cut()
    expect(await flushed).toMatchObject({ reason: 'world' })
    expect(await cache.get('key')).toBe('second')
    expect(proxy.links.map(({ port }) => port)).not.toContain(first.port)
  })
})
