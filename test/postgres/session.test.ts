import { afterAll, describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { CountingLoad } from '../counting-load.ts'
import { createDatabase } from '../database.ts'
import { held } from '../held.ts'
import { Latch } from '../latch.ts'
import { createRole } from '../limited-role.ts'
import { nextEvent } from '../next-event.ts'

const database = await createDatabase()
const connectionString = database.url
await database.install()

const other = new PostgresCache({ connectionString, local: false })
afterAll(() => other.close())

let named = 0

/** The address under which a session is found, and how it is ended. */
function sessionOf(url: string): { sessionConnectionString: string; terminate: () => Promise<void> } {
  const name = `postgres-cache session ${++named}`
  const address = new URL(url)
  address.searchParams.set('application_name', name)
  return {
    sessionConnectionString: address.href,
    terminate: async () => {
      const ended = await database.query<{ ended: boolean }>(
        'select pg_terminate_backend(pid) as ended from pg_stat_activity where application_name = $1',
        [name],
      )
      expect(ended).toEqual([{ ended: true }])
    },
  }
}

const terminatePool = (): Promise<unknown> =>
  database.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and application_name = 'postgres-cache pool'`,
  )

describe('a session that is terminated', () => {
  it('is reported lost, then restored, and hears of changes again', async () => {
    const { sessionConnectionString, terminate } = sessionOf(connectionString)
    await using cache = new PostgresCache({ connectionString, sessionConnectionString })
    await cache.connect()
    const log: string[] = []
    cache.on('session-lost', ({ error }) => log.push(`lost: ${error.code}`))
    cache.on('session-restored', () => log.push('restored'))
    for (let round = 1; round <= 3; round++) {
      const restored = nextEvent(cache, 'session-restored')
      await terminate()
      expect((await restored).ms).toBeGreaterThan(0)
    }
    expect(log).toEqual([1, 2, 3].flatMap(() => ['lost: unavailable', 'restored']))
    expect(cache.stats()).toMatchObject({ sessionsLost: 3, sessionsRestored: 3 })

    await other.set('heard', 'old')
    expect(await held(cache, 'heard')).toBe('old')
    const evicted = nextEvent(cache, 'evicted')
    await other.set('heard', 'new')
    expect(await evicted).toEqual({ key: 'heard', reason: 'changed' })
  })

  it('is done without meanwhile: local hits stay bounded, loads run, writes are seen', async () => {
    const maxStaleness = 300
    await using role = await createRole(database)
    const { sessionConnectionString, terminate } = sessionOf(role.url)
    await using cache = new PostgresCache({ connectionString, sessionConnectionString, maxStaleness })
    await cache.set('known', 'old')
    await role.alter('nologin')
    const lost = nextEvent(cache, 'session-lost')
    await terminate()
    await lost

    expect(await cache.getOrSet('loaded', () => 'without a lock')).toBe('without a lock')
    expect(await cache.get('loaded')).toBe('without a lock')
    await cache.set('own', 1)
    expect(await cache.get('own')).toBe(1)
    expect(await cache.delete('own')).toBe(true)
    expect(await cache.get('own')).toBeUndefined()

    await other.set('known', 'new')
    const acknowledged = performance.now()
    let lastStale = acknowledged
    for (;;) {
      const asked = performance.now()
      if ((await cache.get('known')) === 'new') break
      lastStale = asked
      await new Promise(setImmediate)
    }
    expect(lastStale - acknowledged).toBeLessThanOrEqual(maxStaleness)

    const restored = nextEvent(cache, 'session-restored')
    await role.alter('login')
    await restored
  })

  it('tells of what happened meanwhile as soon as it is restored', async () => {
    await using role = await createRole(database)
    const { sessionConnectionString, terminate } = sessionOf(role.url)
    await using cache = new PostgresCache({ connectionString, sessionConnectionString, maxStaleness: '1h' })
    await cache.set('meanwhile', 'old')
    expect(await held(cache, 'meanwhile')).toBe('old')
    await role.alter('nologin')
    const lost = nextEvent(cache, 'session-lost')
    await terminate()
    await lost
    await other.set('meanwhile', 'new')
    expect(cache.peek('meanwhile')).toBe('old')
    const evicted = nextEvent(cache, 'evicted')
    await role.alter('login')
    expect(await evicted).toEqual({ key: 'meanwhile', reason: 'changed' })
    expect(await cache.get('meanwhile')).toBe('new')
  })

  it('loses its locks: another client may load, and one value remains', async () => {
    const { sessionConnectionString, terminate } = sessionOf(connectionString)
    await using cache = new PostgresCache({ connectionString, sessionConnectionString })
    await using second = new PostgresCache({ connectionString })
    const latch = new Latch()
    const begun = new Latch()
    const first = cache.getOrSet('locked', async () => {
      begun.open()
      await latch.opened
      return 'first'
    })
    await begun.opened
    await terminate()
    await other.set('something else', 1)
    const source = new CountingLoad(() => 'second')
    expect(await second.getOrSet('locked', source.load)).toBe('second')
    expect(source.runs).toBe(1)
    latch.open()
    expect(await first).toBe('first')
    const settled = await other.get('locked')
    expect(settled).toBe('second')
    await Promise.all([cache.sync(), second.sync()])
    expect(await cache.get('locked')).toBe(settled)
    expect(await second.get('locked')).toBe(settled)
  })

  it('leaves those who wait to look again by themselves', async () => {
    const { sessionConnectionString, terminate } = sessionOf(connectionString)
    await using cache = new PostgresCache({ connectionString, sessionConnectionString })
    await using holder = new PostgresCache({ connectionString })
    const key = 'awaited'
    const latch = new Latch()
    const begun = new Latch()
    const heldBack = holder.getOrSet(key, async () => {
      begun.open()
      await latch.opened
      return 'held'
    })
    await begun.opened
    const waiting = cache.getOrSet(key, () => 'own')
    const enlisted = `select from pg_locks where locktype = 'advisory' and mode = 'ShareLock'
      and database = (select oid from pg_database where datname = current_database())`
    await expect.poll(() => database.query(enlisted)).toHaveLength(1)
    const restored = nextEvent(cache, 'session-restored')
    await terminate()
    await restored
    latch.open()
    expect(await Promise.all([heldBack, waiting])).toEqual(['held', 'held'])
  })
})

describe('pooled connections that are terminated', () => {
  it('while idle cost nothing', async () => {
    const url = new URL(connectionString)
    url.searchParams.set('application_name', 'postgres-cache pool')
    await using cache = new PostgresCache({
      connectionString: url.href,
      sessionConnectionString: connectionString,
    })
    await Promise.all(Array.from({ length: 8 }, (_, i) => cache.set(`pooled ${i}`, i)))
    const heard = nextEvent(cache, 'error')
    await terminatePool()
    expect(await heard).toMatchObject({ operation: 'idle connection', error: { code: 'unavailable' } })
    await cache.set('pooled 0', 'again')
    expect(await cache.get('pooled 0', { fresh: true })).toBe('again')
  })
})
