import { describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { collect } from '../collect.ts'
import { CountingLoad } from '../counting-load.ts'
import { createDatabase } from '../database.ts'
import { held } from '../held.ts'
import { nextEvent } from '../next-event.ts'

describe.each(['repeatable read', 'serializable'])('with default_transaction_isolation = %s', (level) => {
  it('everything works', async () => {
    await using database = await createDatabase()
    await database.query(`alter database "${database.name}" set default_transaction_isolation = '${level}'`)
    const options = { connectionString: database.url, queryTimeout: '20s' } as const
    await using cache = new PostgresCache(options)
    await using other = new PostgresCache(options)
    const [row] = await database.query<{ level: string }>(
      `select setconfig[1] as level from pg_db_role_setting where setdatabase = (select oid from pg_database where datname = current_database())`,
    )
    expect(row?.level).toBe(`default_transaction_isolation=${level}`)

    await cache.set('a', 'old', { tags: ['t'] })
    expect(await held(other, 'a')).toBe('old')
    const evicted = nextEvent(other, 'evicted')
    await cache.set('a', 'new')
    await evicted
    expect(await other.get('a')).toBe('new')

    const source = new CountingLoad(() => new Promise((resolve) => setTimeout(resolve, 30, 'loaded')))
    const loads = Array.from({ length: 10 }, (_, i) => (i % 2 ? cache : other).getOrSet('b', source.load))
    expect(await Promise.all(loads)).toEqual(Array(10).fill('loaded'))
    expect(source.runs).toBe(1)

    expect(await cache.touch('a', '1h')).toBe(true)
    expect(await cache.expire('b')).toBe(true)
    expect(await cache.delete('a')).toBe(true)
    await cache.setMany([
      ['c:1', 1],
      ['c:2', 2],
      ['d', 3],
    ])
    await cache.deleteByPrefix('c:')
    expect(await collect(other.keys())).toEqual(['d'])
    expect(await cache.prune()).toBe(3)
    await cache.sync()
    await other.sync()
    expect(await other.getMany(['a', 'b', 'c:1', 'd'])).toEqual([undefined, undefined, undefined, 3])
    expect(await PostgresCache.migrate({ ...options, connectionString: database.ownerUrl })).toBeGreaterThan(
      0,
    )
    expect(cache.stats().errors + other.stats().errors).toBe(0)
  })

  it('writers of the same keys never fail each other', async () => {
    await using database = await createDatabase()
    await database.query(`alter database "${database.name}" set default_transaction_isolation = '${level}'`)
    await using one = new PostgresCache({ connectionString: database.url, queryTimeout: '20s' })
    await using two = new PostgresCache({
      connectionString: database.url,
      notifications: 'poll',
      queryTimeout: '20s',
    })
    const keys = Array.from({ length: 20 }, (_, i) => `key ${i}`)
    const rounds = Array.from({ length: 25 }, (_, round) => round)
    const work = [one, two].flatMap((cache, client) =>
      rounds.flatMap((round) => [
        cache.setMany((client ? keys : keys.toReversed()).map((key) => [key, [client, round]])),
        cache.getOrSet(keys[round % 20] as string, () => [client, round]),
        cache.delete(keys[(round + client) % 20] as string),
        cache.get(keys[round % 20] as string, { fresh: true }),
      ]),
    )
    await Promise.all(work)
    await one.set('last', 1)
    expect(await two.get('last', { fresh: true })).toBe(1)
    expect(one.stats().errors + two.stats().errors).toBe(0)
  })
})
