import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { heldBack } from '../held-back.ts'
import { nextEvent } from '../next-event.ts'
import { TcpProxy } from '../tcp-proxy.ts'
import { ageRows } from './age-rows.ts'
import { Ear } from './ear.ts'

const database = await createDatabase()
const connectionString = database.url
const cache = new PostgresCache({ connectionString, local: false })
const client = new Client(connectionString)
const ear = await Ear.listen(database.admin)
beforeAll(() => Promise.all([cache.connect(), client.connect()]))
afterAll(() => Promise.all([cache.close(), client.end()]))

const now = '(extract(epoch from clock_timestamp()) * 1000)::bigint'

/** Lets the gate for hints open so many milliseconds from now. */
async function setGate(inMs: number): Promise<void> {
  await database.query(`select setval('postgres_cache.hint_gate', ${now} + $1)`, [inMs])
}

function keysOf(name: string, count = 64): string[] {
  return Array.from({ length: count }, (_, i) => `${name} ${i}`)
}

const withEntry = (key: string): Promise<void> =>
  cache.set(key, 'old', { ttl: '5m', grace: '5m', tags: [key] })
const withEntries = (key: string): Promise<void> => cache.setMany(keysOf(key).map((each) => [each, 'old']))
const nothing = async (): Promise<void> => {}

async function inTransaction(end: 'commit' | 'rollback', key: string): Promise<void> {
  await client.query('begin')
  const cached = await cache.withTransaction(client)
  await cached.invalidate(key)
  expect(await ear.hear()).toEqual([])
  await client.query(end)
}

interface Case {
  readonly hints: number
  readonly before: (key: string) => Promise<unknown>
  readonly change: (key: string) => Promise<unknown>
}

const CASES: Record<string, Case> = {
  'a set over a live entry': { hints: 1, before: withEntry, change: (key) => cache.set(key, 'new') },
  'a set over nothing': { hints: 0, before: nothing, change: (key) => cache.set(key, 'new') },
  'a set over an entry that has just expired': {
    hints: 0,
    before: async (key) => {
      await withEntry(key)
      await ageRows(database, '10 minutes 5 seconds', key)
    },
    change: (key) => cache.set(key, 'new'),
  },
  'a set over an entry that expired long ago': {
    hints: 0,
    before: async (key) => {
      await withEntry(key)
      await ageRows(database, '1 hour', key)
    },
    change: (key) => cache.set(key, 'new'),
  },
  'a batch of 64 over live entries': { hints: 1, before: withEntries, change: withEntries },
  'a batch of 64 over nothing': { hints: 0, before: nothing, change: withEntries },
  'a fill over nothing': { hints: 0, before: nothing, change: (key) => cache.getOrSet(key, () => 'loaded') },
  'a fill over an expired entry': {
    hints: 0,
    before: async (key) => {
      await withEntry(key)
      await ageRows(database, '1 hour', key)
    },
    change: (key) => cache.getOrSet(key, () => 'loaded'),
  },
  'a fill over a stale entry': {
    hints: 1,
    before: async (key) => {
      await withEntry(key)
      await cache.expire(key)
    },
    change: (key) => cache.getOrSet(key, () => 'loaded'),
  },
  'a delete': { hints: 1, before: withEntry, change: (key) => cache.delete(key) },
  'an invalidation of 64 keys': {
    hints: 1,
    before: withEntries,
    change: (key) => cache.invalidate(keysOf(key)),
  },
  'an invalidation of a tag': { hints: 1, before: withEntry, change: (key) => cache.invalidateTags(key) },
  'a deletion by prefix': { hints: 1, before: withEntries, change: (key) => cache.deleteByPrefix(key) },
  clear: { hints: 1, before: nothing, change: () => cache.clear() },
  touch: { hints: 1, before: withEntry, change: (key) => cache.touch(key, '1h') },
  expire: { hints: 1, before: withEntry, change: (key) => cache.expire(key) },
  'a transaction that is committed': {
    hints: 1,
    before: withEntry,
    change: (key) => inTransaction('commit', key),
  },
  'a transaction that is rolled back': {
    hints: 0,
    before: withEntry,
    change: (key) => inTransaction('rollback', key),
  },
  'an update of three rows by SQL': {
    hints: 1,
    before: withEntries,
    change: (key) =>
      database.query('update postgres_cache.entries set tags = null where key = any ($1)', [keysOf(key, 3)]),
  },
}

describe('the number of notifications that are sent', () => {
  it.each(Object.entries(CASES))('for %s', async (name, { hints, before, change }) => {
    await before(name)
    await ear.hear()
    await setGate(-60_000)
    await change(name)
    expect(await ear.hear()).toHaveLength(hints)
  })

  it('is none while the gate is shut, whoever shut it', async () => {
    await cache.set('gated', 'old')
    let heard: string[]
    let took: number
    do {
      const started = performance.now()
      await setGate(90)
      await ear.hear()
      await cache.set('gated', 'by the cache')
      await client.query('select postgres_cache.invalidate($1)', ['gated'])
      took = performance.now() - started
      heard = await ear.hear()
    } while (took > 90) // on a busy machine the gate may have opened meanwhile
    expect(heard).toEqual([])
  })

  it('is not less when the clock of the database is set back', async () => {
    await cache.set('clock', 'old')
    await setGate(3_600_000)
    await ear.hear()
    await cache.set('clock', 'new')
    expect(await ear.hear()).toHaveLength(1)
    const [gate] = await database.query<{ isSet: boolean }>(
      `select last_value - ${now} between -10000 and 20 as "isSet" from postgres_cache.hint_gate`,
    )
    expect(gate).toEqual({ isSet: true })
  })

  describe('while many are connected', () => {
    const many = Array.from({ length: 60 }, () => new Client(connectionString))
    beforeAll(() => Promise.all(many.map((each) => each.connect())))
    afterAll(() => Promise.all(many.map((each) => each.end())))

    /** What a hint says of the gate, and for how long it is shut from then on. */
    async function hintAt(openedMs: number): Promise<{ said: unknown; shutMs: number; connected: number }> {
      await ear.hear()
      await database.query(`
        do $$
        begin
          perform setval('postgres_cache.hint_gate', ${now} - ${openedMs});
          perform postgres_cache.invalidate('hinted');
        end
        $$`)
      const [state] = await database.query<{ leftMs: number; connected: number }>(
        `select (last_value - ${now})::integer as "leftMs", numbackends as connected
         from postgres_cache.hint_gate, pg_stat_database where datname = current_database()`,
      )
      const [payload = '{}'] = await ear.hear()
      return { said: JSON.parse(payload).g, shutMs: state?.leftMs ?? 0, connected: state?.connected ?? 0 }
    }

    it('writes that wait at the gate find it shut for longer', async () => {
      await expect
        .poll(async () => {
          const { said, connected } = await hintAt(0)
          expect(connected).toBeGreaterThan(60)
          return said === Math.min(connected, 100)
        })
        .toBe(true)
    })

    it('a write that comes later does not', async () => {
      const { said, shutMs } = await hintAt(1_000)
      expect(said).toBeUndefined()
      expect(shutMs).toBeLessThanOrEqual(20)
    })
  })

  // Two that look at the gate at the same moment both pass: how often depends on the machine and on luck.
  it('is at most 60 a second while 16 processes write as fast as they can', { retry: 2 }, async () => {
    const caches = Array.from(
      { length: 16 },
      () => new PostgresCache({ connectionString, local: false, pool: { max: 1 } }),
    )
    await Promise.all(caches.map((each, i) => each.set(`storm ${i}`, 0)))
    await ear.hear()
    const started = performance.now()
    let writes = 0
    await Promise.all(
      caches.map(async (each, i) => {
        while (performance.now() - started < 2_000) await each.set(`storm ${i}`, ++writes)
      }),
    )
    const seconds = (performance.now() - started) / 1000
    const perSecond = (await ear.hear()).length / seconds
    console.log(
      `${Math.round(writes / seconds)} writes/s by 16 writers: ${perSecond.toFixed(1)} notifications/s`,
    )
    await Promise.all(caches.map((each) => each.close()))
    expect(perSecond).toBeGreaterThan(1)
    expect(perSecond).toBeLessThanOrEqual(60)
  })
})

describe('a payload', () => {
  it.each([
    ['names up to 200 keys', keysOf('short', 200), 'k'],
    ['says "sync" for more', keysOf('short', 201), 's'],
    ['says "sync" for more than 7900 bytes', keysOf('long '.repeat(20), 80), 's'],
  ])('%s', async (_, keys, field) => {
    await cache.setMany(keys.map((key) => [key, 'old']))
    await setGate(-60_000)
    await ear.hear()
    await cache.setMany(keys.map((key) => [key, 'new']))
    const [payload = ''] = await ear.hear()
    expect(JSON.parse(payload)).toHaveProperty(field)
    expect(Buffer.byteLength(payload)).toBeLessThan(8_000)
  })
})

/** Nothing but a hint makes it sync within the test. */
async function reader(...keys: string[]): Promise<PostgresCache> {
  const reading = new PostgresCache({ connectionString, maxStaleness: '10m' })
  await reading.connect()
  await reading.setMany(keys.map((key) => [key, 'old']))
  await expect
    .poll(async () => {
      await reading.getMany(keys)
      return keys.map((key) => reading.peek(key))
    })
    .toEqual(keys.map(() => 'old'))
  return reading
}

describe('who hears a hint', () => {
  it('evicts what it names at once', async () => {
    await using reading = await reader('named')
    const evicted = nextEvent(reading, 'evicted')
    await setGate(-60_000)
    await cache.set('named', 'new')
    expect(await evicted).toEqual({ key: 'named', reason: 'changed' })
    expect(await reading.get('named')).toBe('new')
  })

  it('hears shortly afterwards of what the gate has left out', async () => {
    await using reading = await reader('hinted', 'left out')
    const hinted = nextEvent(reading, 'evicted', ({ key }) => key === 'hinted')
    const evicted = nextEvent(reading, 'evicted', ({ key }) => key === 'left out')
    await ear.hear()
    await database.query(`
      do $$
      begin
        perform setval('postgres_cache.hint_gate', 1);
        perform postgres_cache.invalidate('hinted');
        commit;
        perform setval('postgres_cache.hint_gate', ${now} + 90);
        perform postgres_cache.invalidate('left out');
        commit;
      end
      $$`)
    expect(await ear.hear()).toHaveLength(1)
    await hinted
    await evicted
    expect(await reading.getMany(['hinted', 'left out'])).toEqual([undefined, undefined])
  })

  it('syncs less often where the server is slow to answer, and hears of all the same', async () => {
    let slowMs = 0
    await using proxy = await TcpProxy.to(connectionString, { fromServer: () => heldBack(() => slowMs) })
    await using reading = new PostgresCache({ connectionString: proxy.urlOf(connectionString) })
    await reading.connect()
    let hints = 0
    let syncs = 0
    reading.on('hint-received', () => hints++)
    reading.on('synced', () => syncs++)
    let written = 0
    await cache.set('overwritten', written)
    await expect.poll(() => reading.get('overwritten')).toBe(written)
    slowMs = 20
    const started = performance.now()
    while (performance.now() - started < 2_000) {
      void reading.get('overwritten')
      await cache.set('overwritten', ++written)
    }
    console.log(`${hints} hints, ${syncs} syncs`)
    expect(hints).toBeGreaterThan(20)
    expect(syncs).toBeLessThan(hints / 5)
    await expect.poll(() => reading.get('overwritten')).toBe(written)
  })

  it('hears of a long list by syncing', async () => {
    const keys = keysOf('listed', 250)
    await using reading = await reader(...keys)
    const evicted = nextEvent(reading, 'evicted', ({ key }) => key === keys[249])
    await setGate(-60_000)
    await cache.invalidate(keys)
    await evicted
    expect(reading.stats().local.entries).toBe(0)
  })
})
