// A server that is killed, restarted, full or forbidden: the service that uses the cache goes on, and so does the cache
// when the trouble is over, by itself.

import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PostgresServer } from '../../scripts/embedded-postgres.ts'
import { isCacheError, PostgresCache } from '../../src/index.ts'
import { CountingLoad } from '../../test/counting-load.ts'
import { held } from '../../test/held.ts'
import { nextEvent } from '../../test/next-event.ts'
import { startOwnServer } from '../../test/own-server.ts'
import { bound, within } from './bound.ts'
import { SmallDisk } from './small-disk.ts'
import { describeWith } from './tools.ts'

const CONNECTIONS = 14
const QUERY_TIMEOUT_MS = 1_000
const MAX_PENDING_BYTES = 8 * 1024 * 1024
// Back-off of the circuit, at its longest, and of a connection.
const RECOVERY_MS = 10_000
const LARGE = 'x'.repeat(500_000)

let server: PostgresServer
let admin: Client
beforeAll(async () => {
  server = await startOwnServer({ max_connections: String(CONNECTIONS), superuser_reserved_connections: '2' })
  await reconnect()
  await admin.query('create role app login; create role hog login; grant create on database postgres to app')
})
afterAll(async () => {
  await admin.end()
  await server.stop()
})

async function reconnect(): Promise<void> {
  admin = new Client(server.url)
  admin.on('error', () => {})
  await admin.connect()
}

function appUrl(database = 'postgres'): string {
  const url = new URL(server.url)
  url.username = 'app'
  url.pathname = `/${database}`
  return url.href
}

interface Trouble {
  readonly begin: () => Promise<void>
  readonly end: () => Promise<void>
  /** Of a write. */
  readonly codes: readonly string[]
  /** Whether what is stored can still be read. */
  readonly reads: boolean
  readonly opensCircuit: boolean
}

const hogs: Client[] = []

const TROUBLES: Record<string, Trouble> = {
  'that was killed': {
    begin: () => server.kill(),
    end: () => server.start().then(reconnect),
    codes: ['unavailable', 'timeout'],
    reads: false,
    opensCircuit: true,
  },
  'that is being restarted': {
    begin: () => server.shutdown('fast'),
    end: () => server.start().then(reconnect),
    codes: ['unavailable', 'timeout'],
    reads: false,
    opensCircuit: true,
  },
  'that has no connection left': {
    begin: takeAllConnections,
    end: async () => void (await Promise.all(hogs.splice(0).map((hog) => hog.end()))),
    codes: ['unavailable', 'too-many-connections', 'timeout'],
    reads: false,
    opensCircuit: true,
  },
  'that is read-only': {
    begin: () => setReadOnly('on'),
    end: () => setReadOnly('off'),
    codes: ['read-only'],
    reads: true,
    opensCircuit: false,
  },
}

async function takeAllConnections(): Promise<void> {
  const url = new URL(server.url)
  url.username = 'hog'
  const take = async (): Promise<boolean> => {
    const hog = new Client(url.href)
    hog.on('error', () => {})
    const connected = await hog.connect().then(
      () => true,
      () => false,
    )
    if (connected) hogs.push(hog)
    return connected
  }
  // Those of the app go one by one as their places are taken.
  for (;;) {
    await admin.query(`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'`)
    while (await take());
    const { rowCount } = await admin.query(`select from pg_stat_activity where usename = 'app'`)
    if (rowCount === 0) return
  }
}

async function setReadOnly(value: 'on' | 'off'): Promise<void> {
  await admin.query(`alter role app set default_transaction_read_only = ${value}`)
  await admin.query(`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'`)
}

async function expectService(
  cache: PostgresCache,
  {
    codes,
    reads,
    deletes = 'refused',
  }: Pick<Trouble, 'codes' | 'reads'> & { deletes?: 'refused' | 'untried' },
): Promise<void> {
  const source = new CountingLoad(() => new Promise((resolve) => setTimeout(resolve, 100, LARGE)))
  const filled = nextEvent(cache, 'loaded')
  const callers = Array.from({ length: 20 }, () => cache.getOrSet('missing', source.load))
  const loaded = await within('20 callers of a key', 4 * QUERY_TIMEOUT_MS, Promise.all(callers))
  expect(new Set(loaded)).toEqual(new Set([LARGE]))
  expect(source.runs).toBe(1)
  expect(await filled).toMatchObject({ key: 'missing', stored: false })

  const read = await within('a read', 3 * QUERY_TIMEOUT_MS, cache.get('plain', { fresh: true }))
  expect(read).toBe(reads ? 'old' : undefined)
  const failing = (): Promise<never> => Promise.reject(new Error('the source is down, too'))
  const tiers: string[] = []
  const stop = cache.on('hit', ({ tier }) => tiers.push(tier))
  const stale = await within('a stale answer', 4 * QUERY_TIMEOUT_MS, cache.getOrSet('graced', failing))
  stop()
  expect([stale, tiers]).toEqual(['kept', ['stale']])
  await expect(cache.getOrSet('ungraced', failing)).rejects.toThrow('the source is down, too')

  for (const write of [
    () => cache.set('plain', LARGE),
    () => cache.set('other', LARGE),
    // On a full disk there may be room for the little that this takes.
    ...(deletes === 'refused' ? [() => cache.delete('plain'), () => cache.invalidate('other')] : []),
  ]) {
    const refusal: unknown = await within(
      'a write',
      3 * QUERY_TIMEOUT_MS,
      write().catch((error: unknown) => error),
    )
    expect(codes).toContain(isCacheError(refusal) ? refusal.code : refusal)
  }
  // What waits is bounded, however much is asked for.
  const many = Array.from({ length: 200 }, (_, i) => cache.set(`flood ${i}`, LARGE))
  expect(cache.stats().pendingBytes).toBeLessThanOrEqual(MAX_PENDING_BYTES)
  const flood = await within('200 writes of 500 kB', 5 * QUERY_TIMEOUT_MS, Promise.allSettled(many))
  for (const outcome of flood.filter(({ status }) => status === 'rejected'))
    expect((outcome as PromiseRejectedResult).reason).toHaveProperty('code')
  expect(cache.stats().pendingBytes).toBe(0)
}

const open = (database?: string): PostgresCache =>
  new PostgresCache({
    connectionString: appUrl(database),
    queryTimeout: QUERY_TIMEOUT_MS,
    maxPending: MAX_PENDING_BYTES,
    maxStaleness: 500,
    backoff: 1,
  })

/** A stale answer comes from the store or, without it, from the local cache. */
async function fill(cache: PostgresCache): Promise<void> {
  await cache.set('plain', 'old')
  await cache.set('graced', 'kept', { ttl: 1_000, grace: '1h' })
  expect(await held(cache, 'graced')).toBe('kept')
  await expect.poll(async () => (await cache.getEntry('graced'))?.stale).toBe(true)
}

async function expectRecovery(cache: PostgresCache): Promise<void> {
  const stored = (): Promise<string> => cache.set('plain', 'new').then(() => 'stored', String)
  const began = performance.now()
  await expect.poll(stored, { timeout: bound(RECOVERY_MS) }).toBe('stored')
  console.log(
    `stored again after ${(performance.now() - began).toFixed(0)} ms (bound ${bound(RECOVERY_MS)} ms)`,
  )
  expect(await cache.get('plain', { fresh: true })).toBe('new')
}

describe.each(Object.entries(TROUBLES))('a server %s', (_, { begin, end, opensCircuit, ...expected }) => {
  it('is done without, and used again when that is over', async () => {
    await using cache = open()
    await fill(cache)
    const log: string[] = []
    for (const event of ['circuit-opened', 'circuit-closed'] as const) cache.on(event, () => log.push(event))
    await begin()
    try {
      await expectService(cache, expected)
    } finally {
      await end()
    }
    await expectRecovery(cache)
    if (opensCircuit) {
      expect(log[0]).toBe('circuit-opened')
      expect(log.at(-1)).toBe('circuit-closed')
    } else {
      expect(log).toEqual([])
    }
  })
})

describeWith('small file systems (root on Linux)', 'a server whose disk is full', () => {
  it('refuses writes, serves reads, and is used again when there is room', async () => {
    using disk = new SmallDisk(64)
    await admin.query(`create tablespace small location '${disk.path}'`)
    await admin.query('create database small template template0 tablespace small owner app')
    const filler = new Client(appUrl('small'))
    await filler.connect()
    try {
      await using cache = open('small')
      await fill(cache)
      await filler.query('create unlogged table filler (data text)')
      await filler.query('alter table filler alter data set storage external')
      const grow = (bytes: number): Promise<boolean> =>
        filler.query(`insert into filler select repeat('x', ${bytes})`).then(
          () => true,
          () => false,
        )
      for (const bytes of [1_000_000, 100_000, 1_000]) while (await grow(bytes));
      await expectService(cache, { codes: ['query-failed'], reads: true, deletes: 'untried' })
      await filler.query('drop table filler')
      await expectRecovery(cache)
      expect(cache.stats().circuitsOpened).toBe(0)
    } finally {
      await filler.end()
      await admin.query('drop database small with (force)')
      await admin.query('drop tablespace small')
    }
  })
})
