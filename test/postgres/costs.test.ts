// What operations cost, in counts that are the same on every machine.

import { Transform } from 'node:stream'
import pg from 'pg'
import { afterAll, describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { allocated } from '../allocated.ts'
import { createDatabase } from '../database.ts'
import { Latch } from '../latch.ts'
import { HAS_OWN_SERVERS, startOwnServer } from '../own-server.ts'
import { TcpProxy } from '../tcp-proxy.ts'
import { WriteAheadLog } from '../write-ahead-log.ts'

/** Hears which statements a client sends, and how often it waits for the server. Those of ours are prepared and have names. */
class Statements {
  readonly #sent: string[] = []
  #roundTrips = 0
  #isAnswered = true

  get sent(): readonly string[] {
    return this.#sent
  }

  /** Statements that were sent before the former ones were answered share one. */
  get roundTrips(): number {
    return this.#roundTrips
  }

  /** The names, in order. */
  async of(work: () => Promise<unknown>): Promise<string[]> {
    this.#sent.length = 0
    this.#roundTrips = 0
    await work()
    return [...this.#sent]
  }

  readonly ear = (): Transform => {
    let rest = Buffer.alloc(0)
    // The first message of a connection has no type.
    let headerBytes = 4
    return new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        rest = Buffer.concat([rest, chunk])
        while (rest.length >= headerBytes) {
          const end = headerBytes - 4 + rest.readInt32BE(headerBytes - 4)
          if (rest.length < end) break
          if (headerBytes === 5) this.#hear(rest.subarray(0, end))
          rest = rest.subarray(end)
          headerBytes = 5
        }
        done(null, chunk)
      },
    })
  }

  readonly serverEar = (): Transform =>
    new Transform({
      transform: (chunk, _encoding, done) => {
        this.#isAnswered = true
        done(null, chunk)
      },
    })

  #hear(message: Buffer): void {
    const bound = /^B.{4}\0postgres_cache_([a-z_]+?)(?:_[0-9a-f]{12})?\0/s.exec(message.toString('latin1'))
    const name = bound?.[1]
    if (name === undefined) return
    this.#sent.push(name)
    if (!isAwaited(name)) return
    if (this.#isAnswered) this.#roundTrips++
    this.#isAnswered = false
  }
}

// Locks are given back behind the answer.
const isAwaited = (name: string): boolean => !['unlock', 'signal', 'delist'].includes(name)

const database = await createDatabase()
const statements = new Statements()
const proxy = await TcpProxy.to(database.url, {
  fromClient: statements.ear,
  fromServer: statements.serverEar,
})
const cache = new PostgresCache({ connectionString: proxy.urlOf(database.url), local: false })
// A busy machine may be late with its syncs.
const near = new PostgresCache({
  connectionString: database.url,
  local: { values: 'share' },
  maxStaleness: '1h',
})
afterAll(async () => {
  await Promise.all([cache.close(), near.close()])
  await proxy[Symbol.asyncDispose]()
})
await cache.connect()

const keys = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${name}:${i}`)
const entries = (name: string, count: number): [string, string][] =>
  keys(name, count).map((key) => [key, 'x'.repeat(100)])

async function isServerIdle(): Promise<boolean> {
  const busy = await database.query(
    `select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'`,
  )
  return busy.length === 0
}

describe('what is sent', () => {
  it('one statement for a read, of a key or of many', async () => {
    await cache.setMany(entries('read', 256))
    expect(await statements.of(() => cache.get('read:0'))).toEqual(['glance'])
    expect(await statements.of(() => cache.get('missing'))).toEqual(['glance'])
    expect(await statements.of(() => cache.getMany(keys('read', 256)))).toEqual(['glance'])
    expect(statements.roundTrips).toBe(1)
  })

  it('two for what many callers do at once, so that the server and this process work at the same time', async () => {
    const all = keys('at once', 200)
    const set = (): Promise<unknown> => Promise.all(all.map((key) => cache.set(key, 1)))
    const get = (): Promise<unknown> => Promise.all(all.map((key) => cache.get(key)))
    expect(await statements.of(set)).toEqual(['write', 'write'])
    expect(await statements.of(get)).toEqual(['glance', 'glance'])
  })

  it('one for what fewer callers do at once, because a statement costs more than the rows of it', async () => {
    const some = keys('at once', 31)
    const set = (): Promise<unknown> => Promise.all(some.map((key) => cache.set(key, 1)))
    const get = (): Promise<unknown> => Promise.all(some.map((key) => cache.get(key)))
    expect(await statements.of(set)).toEqual(['write'])
    expect(await statements.of(get)).toEqual(['glance'])
  })

  it('one for all who ask for the same key at once', async () => {
    await cache.set('popular', 1)
    const everybody = (): Promise<unknown> =>
      Promise.all(Array.from({ length: 200 }, () => cache.get('popular')))
    expect(await statements.of(everybody)).toEqual(['glance'])
  })

  it('a write of nothing with the first load, which the server compiles and plans while the loader runs', async () => {
    const latch = new Latch()
    const before = await statements.of(async () => {
      void cache.getOrSet('first', () => latch.opened.then(() => 1))
      await expect.poll(() => statements.sent).toContain('write')
    })
    const after = await statements.of(async () => {
      latch.open()
      await cache.getOrSet('first', () => 1)
    })
    expect(before).toEqual(['glance', 'try_locks', 'read', 'write'])
    expect(after.filter(isAwaited)).toEqual(['write'])
  })

  // On a busy machine it may wake by itself.
  it('a read, and no lock, for who has waited until another process had loaded', { retry: 2 }, async () => {
    const key = `elsewhere ${Math.random()}`
    const latch = new Latch()
    const begun = new Latch()
    const loaded = near.getOrSet(key, () => {
      begun.open()
      return latch.opened.then(() => 1)
    })
    await begun.opened
    let found: Promise<number> | undefined
    const before = await statements.of(async () => {
      found = cache.getOrSet(key, () => 2)
      await expect.poll(() => statements.sent, { interval: 5 }).toHaveLength(6)
      await expect.poll(isServerIdle, { interval: 5 }).toBe(true)
    })
    const after = await statements.of(async () => {
      latch.open()
      expect(await Promise.all([loaded, found])).toEqual([1, 1])
    })
    expect(before).toEqual(['glance', 'try_locks', 'read', 'enlist', 'try_locks', 'read'])
    expect(after.filter(isAwaited)).toEqual(['read'])
  })

  // An answer may overtake what is sent in the same moment.
  it('three round trips for a load: read, claim with another look, fill', { retry: 2 }, async () => {
    const key = `cold ${Math.random()}`
    const load = (): Promise<number> => cache.getOrSet(key, () => 1)
    expect((await statements.of(load)).filter(isAwaited)).toEqual(['glance', 'try_locks', 'read', 'write'])
    expect(statements.roundTrips).toBe(3)
    expect((await statements.of(load)).filter(isAwaited)).toEqual(['glance'])
  })

  // From here on something was invalidated: what any transaction of the server is older than is disputed.
  it('one statement for a write, of a key or of many', async () => {
    expect(await statements.of(() => cache.set('write', 1))).toEqual(['write'])
    expect(await statements.of(() => cache.setMany(entries('write', 256)))).toEqual(['write'])
    expect(await statements.of(() => cache.touch('write', '1h'))).toEqual(['touch'])
    expect(await statements.of(() => cache.delete('write'))).toEqual(['remove'])
    expect(await statements.of(() => cache.deleteMany(keys('write', 256)))).toEqual(['remove'])
    expect(await statements.of(() => cache.invalidateTags(['a', 'b', 'c']))).toEqual(['invalidate'])
    expect(await statements.of(() => cache.clear())).toEqual(['invalidate'])
  })

  it('two for a read of what is older than an invalidation of anything, and then one again', async () => {
    await using wary = new PostgresCache({ connectionString: proxy.urlOf(database.url), local: false })
    const get = (): Promise<unknown> => wary.get('disputed')
    await wary.set('disputed', 1)
    await wary.delete('other')
    expect(await statements.of(get)).toEqual(['glance', 'read'])
    expect(await statements.of(get)).toEqual(['read'])
    expect(await get()).toBe(1)
    for (let i = 0; i < 61; i++) await get()
    expect(await statements.of(get)).toEqual(['glance', 'read'])
    // While another test's transaction that is older than the invalidation runs, a new entry is disputed as well.
    await expect
      .poll(async () => {
        await wary.set('disputed', 2)
        const sent: string[] = []
        while (!sent.includes('glance')) sent.splice(0, sent.length, ...(await statements.of(get)))
        return sent
      })
      .toEqual(['glance'])
  })
})

describe('a hit of the local cache', () => {
  const NUMBER_BYTES = 16

  it('allocates nothing but the promise that it returns, and the number that the clock gives it', async () => {
    await near.set('near', { a: 1 })
    await near.get('near')
    await near.get('nothing')
    const { hits, hitRates } = near.stats()
    const { store } = hits
    expect(hitRates.local % 1).toBeGreaterThan(0)
    const get = await allocated(() => near.get('near'))
    const peek = await allocated(() => near.peek('near'))
    const promise = await allocated(() => Promise.resolve(NUMBER_BYTES))
    console.log(`${get} bytes for a hit, ${peek} for a peek, ${promise} for a promise`)
    expect(near.stats().hits.store).toBe(store)
    expect(get).toBeLessThan(promise + NUMBER_BYTES + 1)
    expect(peek).toBeLessThan(NUMBER_BYTES + 1)
  })
})

describe('plans', () => {
  it('are made once for each connection and statement, whatever the number of keys', async () => {
    const pool = new pg.Pool({ connectionString: database.url, max: 1 })
    const planned = new PostgresCache({ pool, local: false, notifications: 'poll' })
    for (const count of [1, 1, 1, 1, 1, 1, 1, 200, 3, 1, 64]) {
      await planned.getMany(keys('plan', count))
      await planned.setMany(entries('plan', count))
    }
    const { rows } = await pool.query<{ name: string; generic: number; custom: number }>(
      `select substring(name from 'postgres_cache_(.*)_[0-9a-f]+$') as name, generic_plans::integer as generic, custom_plans::integer as custom
       from pg_prepared_statements where name ~ '^postgres_cache_(glance|read|write)_'`,
    )
    await planned.close()
    await pool.end()
    // The server tries five plans for the given parameters before it keeps one for all.
    expect(rows.map(({ name }) => name).toSorted()).toEqual(['glance', 'write'])
    for (const row of rows) expect(row).toMatchObject({ custom: 5, generic: 6 })
  })
})

// The log is the whole server's, and other tests write on the shared one.
describe.skipIf(!HAS_OWN_SERVERS)('write-ahead log', () => {
  const COMMIT = 'Transaction COMMIT'
  const HINT = 'Sequence LOG'

  it(
    'none for reads, a commit for a write of one entry or many, and a gate that shuts where a hint is sent',
    { timeout: 60_000 },
    async ({ skip }) => {
      await using server = await startOwnServer({ autovacuum: 'off', checkpoint_timeout: '1h' })
      await using fresh = new PostgresCache({
        connectionString: server.url,
        local: false,
        pruneInterval: '1h',
      })
      await using log = await WriteAheadLog.open(server.url)
      if (log === null) {
        skip('PostgreSQL 14 cannot show its log')
        return
      }
      const isGateOpen = (): Promise<unknown[]> =>
        log.query(
          'select last_value < extract(epoch from clock_timestamp()) * 1000 from postgres_cache.hint_gate',
        )

      await fresh.setMany(entries('wal', 64))
      expect(await log.during(() => fresh.getMany(keys('wal', 64)))).toEqual({ kinds: [], bytes: 0 })
      expect((await log.during(() => fresh.setMany(entries('new', 64)))).kinds).toEqual([COMMIT])
      for (const set of [() => fresh.set('wal:0', 'y'), () => fresh.setMany(entries('wal', 64))]) {
        await expect.poll(isGateOpen).toEqual([true])
        const hinted = await log.during(set)
        expect(hinted.kinds).toEqual([HINT, COMMIT])
        console.log(`write-ahead log: ${hinted.bytes} bytes`)
        expect(hinted.bytes).toBeLessThan(400)
        // The gate is shut for 20 ms: a machine may sleep through it.
        await expect
          .poll(async () => {
            await set()
            return (await log.during(set)).kinds
          })
          .toEqual([COMMIT])
      }
    },
  )
})
