import pg from 'pg'
import { afterAll, describe, expect, it } from 'vitest'
import {
  type LoadContext,
  NullCache,
  type PoolClientLike,
  type PoolLike,
  PostgresCache,
} from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { atEndOfFile } from '../end-of-file.ts'
import { Latch } from '../latch.ts'

const database = await createDatabase()
const connectionString = database.url
const cache = new PostgresCache({ connectionString })
const other = new PostgresCache({ connectionString })
afterAll(() => Promise.all([cache.close(), other.close()]))

/** A loader of many that remembers what it was asked for. */
class ManyLoad {
  readonly asked: (readonly string[])[] = []
  readonly load = (missing: readonly string[]): string[] => {
    this.asked.push(missing)
    return missing.map((key) => `loaded ${key}`)
  }
}

/** Counts the statements of a pool by their names. */
function countingPool(): { pool: PoolLike; sent: Map<string, number> } {
  const pool = new pg.Pool({ connectionString })
  atEndOfFile(() => pool.end())
  const sent = new Map<string, number>()
  const connect = async (): Promise<PoolClientLike> => {
    const client = await pool.connect()
    const query: PoolClientLike['query'] = (statement, callback) => {
      const [, name = ''] = /^postgres_cache_(.*)_/.exec((statement as { name?: string }).name ?? '') ?? []
      sent.set(name, (sent.get(name) ?? 0) + 1)
      void client.query(statement, callback as never)
    }
    return {
      query,
      on: (...args) => client.on(...args),
      off: (...args) => client.off(...args),
      release: (error) => client.release(error),
    }
  }
  return { pool: Object.assign({ connect }, { options: { connectionString } }), sent }
}

const loadsHeld = async (): Promise<number> => {
  const [row] = await database.query<{ held: string }>(
    `select count(*) as held from pg_locks where locktype = 'advisory' and granted and mode = 'ExclusiveLock'
       and database = (select oid from pg_database where datname = current_database())`,
  )
  return Number(row?.held)
}

describe('getOrSetMany', () => {
  it('loads what is missing in one call, and keeps order and duplicates', async () => {
    await other.setMany([
      ['a', 'A'],
      ['c', null],
    ])
    const source = new ManyLoad()
    expect(await cache.getOrSetMany(['b', 'a', 'd', 'b', 'c'], source.load)).toEqual([
      'loaded b',
      'A',
      'loaded d',
      'loaded b',
      null,
    ])
    expect(source.asked).toEqual([['b', 'd']])
    expect(await other.getMany(['b', 'd'])).toEqual(['loaded b', 'loaded d'])
    expect(await cache.getOrSetMany(['d', 'b'], source.load)).toEqual(['loaded d', 'loaded b'])
    expect(await cache.getOrSetMany([], source.load)).toEqual([])
    expect(source.asked).toHaveLength(1)
  })

  it.each(['listen', 'poll'] as const)(
    'reads and writes with one statement each, not one for each key: %s',
    async (notifications) => {
      await database.install({ schemaPrefix: `${notifications}_` })
      const { pool, sent } = countingPool()
      await using own = new PostgresCache({ pool, notifications, schemaPrefix: `${notifications}_` })
      await own.getOrSet('warm', () => 1)
      if (notifications === 'poll') await expect.poll(() => sent.get('release_leases')).toBe(1)
      sent.clear()
      const keys = Array.from({ length: 30 }, (_, i) => `counted ${i}`)
      expect(await own.getOrSetMany(keys, new ManyLoad().load)).toEqual(keys.map((key) => `loaded ${key}`))
      await own.close()
      expect(Object.fromEntries(sent)).toEqual(
        notifications === 'listen'
          ? { glance: 1, write: 1 } // the claim goes over the session
          : { glance: 2, write: 1, acquire_leases: 1, release_leases: 1 },
      )
    },
  )

  it('takes a Map, and stores nothing for what it leaves out', async () => {
    const load = async (): Promise<Map<string, number>> => new Map([['map 1', 1]])
    expect(await cache.getOrSetMany(['map 1', 'map 2'], load)).toEqual([1, undefined])
    expect(await other.getMany(['map 1', 'map 2'])).toEqual([1, undefined])
  })

  it('refuses an array that does not fit the missing keys', async () => {
    await expect(cache.getOrSetMany(['short 1', 'short 2'], () => ['one'])).rejects.toMatchObject({
      code: 'invalid-value',
    })
    await expect(cache.getOrSetMany(['short 1'], () => 'one' as never)).rejects.toMatchObject({
      code: 'invalid-value',
    })
  })

  it('refuses a wrong key before anything is loaded', async () => {
    const source = new ManyLoad()
    await expect(cache.getOrSetMany(['fine', ''], source.load)).rejects.toMatchObject({ code: 'invalid-key' })
    expect(source.asked).toEqual([])
  })

  it('lets the loader decide what is stored beside which key, and what is not stored', async () => {
    await cache.getOrSetMany(
      ['late 1', 'late 2', 'late 3'],
      (missing, { set, skip }) => {
        set({ tags: ['all'] })
        set({ ttl: '1h', tags: ['first'] }, missing[0])
        return [1, 2, skip(3)]
      },
      { ttl: '1m' },
    )
    expect(await other.getEntry('late 1')).toMatchObject({ tags: ['first'] })
    expect((await other.getEntry('late 1'))?.ttl).toBeGreaterThan(3_000_000)
    expect(await other.getEntry('late 2')).toMatchObject({ tags: ['all'] })
    expect((await other.getEntry('late 2'))?.ttl).toBeLessThanOrEqual(60_000)
    expect(await other.has('late 3')).toBe(false)
    await expect(
      cache.getOrSetMany(['late 4'], (_, { set }) => {
        set({ ttl: '1h' }, 'another')
        return [4]
      }),
    ).rejects.toMatchObject({ code: 'invalid-option' })
  })

  it('hands stale values to the loader, and serves them where it fails', async () => {
    await cache.setMany([['kept', 'old']], { ttl: '1h', grace: '1h' })
    await cache.expire('kept')
    const log: string[] = []
    const off = cache.on('hit', ({ key, tier }) => log.push(`${key}: ${tier}`))
    const served = await cache.getOrSetMany(['kept'], (_, { previous }) => {
      log.push(`previous: ${String(previous.get('kept'))}`)
      throw new Error('down')
    })
    off()
    expect(served).toEqual(['old'])
    expect(log).toEqual(['previous: old', 'kept: stale'])
    const failure = new Error('down')
    await expect(cache.getOrSetMany(['kept', 'gone'], () => Promise.reject(failure))).rejects.toBe(failure)
  })

  it('is not stored for a key that was invalidated meanwhile, and for the others it is', async () => {
    const values = await cache.getOrSetMany(['fenced', 'unfenced'], async (missing) => {
      await other.invalidate('fenced')
      return missing.map((key) => `old ${key}`)
    })
    expect(values).toEqual(['old fenced', 'old unfenced'])
    expect(await other.getMany(['fenced', 'unfenced'], { fresh: true })).toEqual([undefined, 'old unfenced'])
  })
})

describe('keys that others are loading', () => {
  it('are awaited, in this process and in others, while the rest is loaded', async () => {
    const latch = new Latch()
    const source = new ManyLoad()
    const here = cache.getOrSet('here', () => latch.opened.then(() => 'from here'))
    const elsewhere = other.getOrSet('elsewhere', () => latch.opened.then(() => 'from elsewhere'))
    await expect.poll(loadsHeld, { interval: 5 }).toBe(2)
    const many = cache.getOrSetMany(['here', 'mine', 'elsewhere'], source.load)
    await expect.poll(() => source.asked, { interval: 5 }).toEqual([['mine']])
    latch.open()
    expect(await many).toEqual(['from here', 'loaded mine', 'from elsewhere'])
    expect(await Promise.all([here, elsewhere])).toEqual(['from here', 'from elsewhere'])
    expect(source.asked).toHaveLength(1)
    await expect.poll(loadsHeld).toBe(0)
  })

  it('are loaded here when the other loader fails', async () => {
    const latch = new Latch()
    const source = new ManyLoad()
    const failing = other.getOrSet('inherited', () =>
      latch.opened.then(() => Promise.reject(new Error('down'))),
    )
    await expect.poll(loadsHeld, { interval: 5 }).toBe(1)
    const many = cache.getOrSetMany(['inherited', 'own'], source.load)
    await expect.poll(() => source.asked, { interval: 5 }).toEqual([['own']])
    latch.open()
    await expect(failing).rejects.toThrow('down')
    expect(await many).toEqual(['loaded inherited', 'loaded own'])
    expect(source.asked).toEqual([['own'], ['inherited']])
  })

  it('can be joined: getOrSet shares the load of a getOrSetMany', async () => {
    const latch = new Latch()
    const many = cache.getOrSetMany(['shared 1', 'shared 2'], async () => {
      await latch.opened
      return [1, 2]
    })
    const one = cache.getOrSet('shared 2', () => 'loaded twice')
    latch.open()
    expect(await many).toEqual([1, 2])
    expect(await one).toBe(2)
  })

  it('are loaded without locks beyond 32 at once, still in one call', async () => {
    const source = new ManyLoad()
    const latch = new Latch()
    const keys = Array.from({ length: 40 }, (_, i) => `locks ${i}`)
    const many = cache.getOrSetMany(keys, async (missing) => {
      await latch.opened
      return source.load(missing)
    })
    await expect.poll(loadsHeld, { interval: 5 }).toBe(32)
    latch.open()
    expect(await many).toEqual(keys.map((key) => `loaded ${key}`))
    expect(source.asked).toEqual([keys])
    await expect.poll(loadsHeld).toBe(0)
  })
})

describe('a deadline or a caller that gives up', () => {
  it('ends the one call for all its keys', async () => {
    const stuck = cache.getOrSetMany(['stuck 1', 'stuck 2'], () => new Promise<never>(() => {}), {
      loadTimeout: 30,
    })
    await expect(stuck).rejects.toMatchObject({ code: 'load-timeout', option: 'loadTimeout' })
    await expect(stuck).rejects.toThrow('2 keys')

    const controller = new AbortController()
    let loaderSignal: AbortSignal | undefined
    const abandoned = cache.getOrSetMany(
      ['left 1', 'left 2'],
      (_, { signal }) => {
        loaderSignal = signal
        return new Promise<never>(() => {})
      },
      { signal: controller.signal },
    )
    await expect.poll(() => loaderSignal).toBeDefined()
    controller.abort(new Error('gave up'))
    await expect(abandoned).rejects.toThrow('gave up')
    expect(loaderSignal?.reason).toMatchObject({ message: 'gave up' })
  })

  it('leaves the load to whoever joined one of its keys', async () => {
    const latch = new Latch()
    const controller = new AbortController()
    let loaderSignal: AbortSignal | undefined
    const many = cache.getOrSetMany(
      ['left 3', 'left 4'],
      async (_, { signal }) => {
        loaderSignal = signal
        await latch.opened
        return [3, 4]
      },
      { signal: controller.signal },
    )
    await expect.poll(() => loaderSignal).toBeDefined()
    const patient = cache.getOrSet('left 4', () => 'loaded twice')
    await cache.get('meanwhile', { fresh: true }) // by then it has joined
    controller.abort(new Error('gave up'))
    await expect(many).rejects.toThrow('gave up')
    expect(loaderSignal?.aborted).toBe(false)
    latch.open()
    expect(await patient).toBe(4)
  })

  it('a loader of many that asks for one of its keys is refused', async () => {
    const reentrant = cache.getOrSetMany(['self 1', 'self 2'], async () => [
      await cache.getOrSet('self 2', () => 1),
      2,
    ])
    await expect(reentrant).rejects.toMatchObject({ code: 'reentrant-load', key: 'self 2' })
  })
})

describe('in a namespace and in a NullCache', () => {
  it('the keys are those of the namespace', async () => {
    const users = cache.namespace('users', { ttl: '1h', tags: ['users'] })
    const seen: unknown[] = []
    await users.set('2', 'stale', { grace: '1h' })
    await users.expire('2')
    const values = await users.getOrSetMany(['1', '2'], (missing, { set, previous }) => {
      seen.push(missing, [...previous])
      set({ tags: ['second'] }, '2')
      return new Map([['2', 'two']])
    })
    expect(values).toEqual([undefined, 'two'])
    expect(seen).toEqual([['1', '2'], [['2', 'stale']]])
    expect(await cache.getEntry('users:2')).toMatchObject({ value: 'two', tags: ['second'] })
  })

  it('a NullCache calls the loader every time, for each key once', async () => {
    const source = new ManyLoad()
    const none = new NullCache()
    for (let round = 0; round < 2; round++) {
      expect(await none.getOrSetMany(['a', 'b', 'a'], source.load)).toEqual([
        'loaded a',
        'loaded b',
        'loaded a',
      ])
    }
    expect(source.asked).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ])
  })
})

describe('force', () => {
  it('loads although a fresh value is stored, and hands it to the loader', async () => {
    await cache.set('forced', 'old')
    const load = ({ previous }: LoadContext): string => `new after ${String(previous)}`
    expect(await cache.getOrSet('forced', load, { force: true })).toBe('new after old')
    expect(await other.get('forced', { fresh: true })).toBe('new after old')
    expect(await cache.get('forced')).toBe('new after old')
  })

  it('rejects when the loader fails, and leaves what is stored', async () => {
    await cache.set('forced in vain', 'old', { grace: '1h' })
    const failing = cache.getOrSet('forced in vain', () => Promise.reject(new Error('down')), { force: true })
    await expect(failing).rejects.toThrow('down')
    expect(await cache.get('forced in vain', { fresh: true })).toBe('old')
  })

  it('keeps nobody waiting who may have what is stored', async () => {
    const latch = new Latch()
    await cache.set('forced slowly', 'old')
    const forced = cache.getOrSet('forced slowly', () => latch.opened.then(() => 'new'), { force: true })
    expect(await cache.getOrSet('forced slowly', () => 'loaded twice', { fresh: true })).toBe('old')
    latch.open()
    expect(await forced).toBe('new')
  })

  it('is shared until its loader begins, and not afterwards', async () => {
    let runs = 0
    const latches = [new Latch(), new Latch()]
    const load = async (): Promise<number> => {
      const run = runs++
      await latches[run]?.opened
      return run
    }
    const forced = (): Promise<number> => cache.getOrSet('forced together', load, { force: true })
    const together = [forced(), forced()]
    await expect.poll(() => runs).toBe(1)
    const later = forced()
    await expect.poll(() => runs).toBe(2)
    for (const latch of latches) latch.open()
    expect(await Promise.all(together)).toEqual([0, 0])
    expect(await later).toBe(1)
  })
})
