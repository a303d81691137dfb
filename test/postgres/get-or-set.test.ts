import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { CacheError, type LoadContext, PostgresCache } from '../../src/index.ts'
import { CountingLoad } from '../counting-load.ts'
import { createDatabase } from '../database.ts'
import { held } from '../held.ts'
import { Latch } from '../latch.ts'
import { nextEvent } from '../next-event.ts'

const database = await createDatabase()
const connectionString = database.url
const cache = new PostgresCache({ connectionString })
const other = new PostgresCache({ connectionString })
afterAll(() => Promise.all([cache.close(), other.close()]))

interface LockCounts {
  readonly held: number
  readonly awaited: number
}

/** Load locks of this database: exclusive ones are held by loads, shared ones by those who wait for a load. */
async function loadLocks(): Promise<LockCounts> {
  const [row] = await database.query<{ held: string; awaited: string }>(
    `select count(*) filter (where mode = 'ExclusiveLock') as held, count(*) filter (where mode = 'ShareLock') as awaited
     from pg_locks where locktype = 'advisory' and granted
       and database = (select oid from pg_database where datname = current_database())`,
  )
  return { held: Number(row?.held), awaited: Number(row?.awaited) }
}

/** Whoever is enlisted has looked again, and sleeps. */
async function asleep(): Promise<boolean> {
  const looking = await database.query(
    `select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
       and (query like '%pg_advisory_lock_shared%' or state <> 'idle')`,
  )
  return looking.length === 0
}

const noLocksLeft = (): Promise<void> => expect.poll(loadLocks).toEqual({ held: 0, awaited: 0 })

describe('getOrSet', () => {
  it('loads what is missing, once, and stores it', async () => {
    const source = new CountingLoad(async () => ({ id: 1 }))
    expect(await cache.getOrSet('plain', source.load)).toEqual({ id: 1 })
    expect(await cache.getOrSet('plain', source.load)).toEqual({ id: 1 })
    expect(await other.getOrSet('plain', source.load)).toEqual({ id: 1 })
    expect(await other.get('plain')).toEqual({ id: 1 })
    expect(source.runs).toBe(1)
  })

  it('reports a miss and a load, then hits', async () => {
    const log: string[] = []
    await using own = new PostgresCache({ connectionString })
    own.on('missed', ({ key }) => log.push(`missed ${key}`))
    own.on('loaded', ({ key, stored }) => log.push(`loaded ${key}, stored: ${stored}`))
    own.on('hit', ({ key, tier }) => log.push(`hit ${key}: ${tier}`))
    await own.getOrSet('told', () => 1)
    await own.getOrSet('told', () => 2)
    await other.set('told too', 3)
    await own.getOrSet('told too', () => 4)
    expect(log).toEqual([
      'loaded told, stored: true',
      'missed told',
      'hit told: local',
      'hit told too: store',
    ])
  })

  it('stores null, and neither undefined nor what is skipped', async () => {
    expect(await cache.getOrSet('null', () => null)).toBeNull()
    expect(await other.get('null')).toBeNull()
    expect(await cache.getOrSet('undefined', () => undefined)).toBeUndefined()
    expect(await other.has('undefined')).toBe(false)
    expect(await cache.getOrSet('skipped', ({ skip }) => skip({ partial: true }))).toEqual({ partial: true })
    expect(await other.has('skipped')).toBe(false)
    expect(await cache.getOrSet('skipped', () => 'whole')).toBe('whole')
  })

  it('tells the loader which key it is for', async () => {
    expect(await cache.getOrSet('named', ({ key }) => key)).toBe('named')
  })

  it('runs a loader of 50 ms once for 5 concurrent callers', async () => {
    const source = new CountingLoad(() => delay(50, 'value'))
    const callers = Array.from({ length: 5 }, () => cache.getOrSet('five', source.load))
    expect(await Promise.all(callers)).toEqual(Array(5).fill('value'))
    expect(source.runs).toBe(1)
  })

  it('gives each of its callers a value of its own', async () => {
    await database.install({ schemaPrefix: 'own_' })
    await using frozen = new PostgresCache({ connectionString, schemaPrefix: 'own_' })
    await frozen.getOrSet('shared', () => ({ list: [1] }))
    const [one, two] = await Promise.all([
      frozen.getOrSet('shared', () => ({ list: [1] })),
      frozen.getOrSet('shared', () => ({ list: [1] })),
    ])
    one.list.push(2)
    expect(two).toEqual({ list: [1] })
  })
})

describe('a load under way', () => {
  it.each(['session', 'poll'] as const)(
    'is waited for by who may not join it, as in another process (%s)',
    async (by) => {
      const latch = new Latch()
      const source = new CountingLoad(() => latch.opened.then(() => 'loaded'))
      const log: string[] = []
      await using own = new PostgresCache({
        connectionString,
        ...(by === 'poll' && { notifications: 'poll' }),
      })
      await own.connect()
      const key = `not joined ${by}`
      const callers = [own.getOrSet(key, source.load)]
      await expect.poll(() => source.runs).toBe(1)
      for (const tag of ['one', 'two']) {
        await own.invalidateTags(tag)
        callers.push(own.getOrSet(key, source.load))
      }
      own.on('hit', ({ tier }) => log.push(tier))
      const reads = (): number | undefined => own.stats().statements['read']?.duration.count
      await expect.poll(reads).toBe(3)
      if (by === 'session') await expect.poll(loadLocks).toEqual({ held: 1, awaited: 1 })
      else await own.sync()
      latch.open()

      expect(await Promise.all(callers)).toEqual(['loaded', 'loaded', 'loaded'])
      expect(source.runs).toBe(1)
      expect(log).toEqual(['store', 'store'])
      if (by === 'session') await noLocksLeft()
    },
  )
})

it('many callers that may not share a load run one loader between them', async () => {
  const latch = new Latch()
  const source = new CountingLoad(() => latch.opened.then(() => 'loaded'))
  await using own = new PostgresCache({ connectionString })
  await own.connect()
  const ask = (): Promise<string>[] =>
    Array.from({ length: 100 }, () => own.getOrSet('many apart', source.load, { fresh: true }))
  const early = ask()
  await expect.poll(() => source.runs).toBe(1)
  const late = ask()
  await expect.poll(loadLocks).toEqual({ held: 1, awaited: 1 })
  latch.open()
  expect(new Set(await Promise.all([...early, ...late]))).toEqual(new Set(['loaded']))
  expect(source.runs).toBe(1)
  await noLocksLeft()
})

describe('clients that miss the same key', () => {
  it('run one loader between them; the others are woken when it is done', async () => {
    const latch = new Latch()
    const log: string[] = []
    const times: Record<string, number> = {}
    const off = [
      other.on('hint-received', ({ kind }) => {
        if (kind === 'signal') log.push('signal')
        if (kind === 'signal') times['signal'] = performance.now()
      }),
      other.on('hit', ({ tier }) => {
        log.push(`hit: ${tier}`)
        times['hit'] = performance.now()
      }),
    ]
    await other.connect()
    const first = cache.getOrSet('woken', () => latch.opened.then(() => 'loaded'))
    await expect.poll(loadLocks, { interval: 5 }).toEqual({ held: 1, awaited: 0 })
    const second = other.getOrSet('woken', () => 'loaded twice')
    await expect.poll(loadLocks, { interval: 5 }).toEqual({ held: 1, awaited: 1 })
    await expect.poll(asleep, { interval: 5 }).toBe(true)
    latch.open()

    expect(await Promise.all([first, second])).toEqual(['loaded', 'loaded'])
    expect(log).toEqual(['signal', 'hit: store'])
    // Without the signal it would look again 500 ms after it fell asleep, which was when the latch opened or a moment
    // before; from the signal to the hit there is one round trip.
    expect(Number(times['hit']) - Number(times['signal'])).toBeLessThan(250)
    for (const each of off) each()
    await noLocksLeft()
  })

  it('wait for lockTimeout at most, then load without the lock', async () => {
    await using hasty = new PostgresCache({ connectionString, lockTimeout: 50 })
    const latch = new Latch()
    const first = cache.getOrSet('hasty', () => latch.opened.then(() => 'slow'))
    await expect.poll(loadLocks, { interval: 5 }).toEqual({ held: 1, awaited: 0 })
    expect(await hasty.getOrSet('hasty', () => 'fast')).toBe('fast')
    latch.open()
    expect(await first).toBe('slow')
    await noLocksLeft()
  })

  it('serve what is stale after lockTimeout, where grace allows it', async () => {
    await using hasty = new PostgresCache({ connectionString, lockTimeout: 50 })
    await cache.set('stale', 'old', { ttl: '1h', grace: '1h' })
    await cache.expire('stale')
    const latch = new Latch()
    const first = cache.getOrSet('stale', () => latch.opened.then(() => 'new'))
    await expect.poll(loadLocks, { interval: 5 }).toEqual({ held: 1, awaited: 0 })
    const source = new CountingLoad(() => 'unwanted')
    expect(await hasty.getOrSet('stale', source.load)).toBe('old')
    expect(source.runs).toBe(0)
    latch.open()
    expect(await first).toBe('new')
  })

  it('hold at most 32 locks of the server, and load the rest without', async () => {
    const latch = new Latch()
    const loading: string[] = []
    const loads = Array.from({ length: 40 }, (_, i) =>
      cache.getOrSet(`many ${i}`, async ({ key }) => {
        loading.push(key)
        await latch.opened
        return i
      }),
    )
    await expect.poll(() => loading.length).toBe(40)
    expect((await loadLocks()).held).toBe(32)
    latch.open()
    expect(await Promise.all(loads)).toEqual(loads.map((_, i) => i))
    await noLocksLeft()
  })
})

describe('a loader that throws', () => {
  it.each([
    ['asynchronously', () => delay(10).then(() => Promise.reject(new Error('down')))],
    [
      'synchronously',
      () => {
        throw new Error('down')
      },
    ],
  ])('%s rejects all its callers with the very error', async (name, fail) => {
    const errors = await Promise.all(
      Array.from({ length: 5 }, () => cache.getOrSet<unknown>(name, fail).catch((error: unknown) => error)),
    )
    expect(errors[0]).toMatchObject({ name: 'Error', message: 'down' })
    expect(new Set(errors).size).toBe(1)
    expect(await cache.getOrSet(name, () => 'up again')).toBe('up again')
  })

  it('releases the lock at once: whoever waits loads', async () => {
    const latch = new Latch()
    const first = cache.getOrSet('released', () => latch.opened.then(() => Promise.reject(new Error('down'))))
    await expect.poll(loadLocks, { interval: 5 }).toEqual({ held: 1, awaited: 0 })
    const second = other.getOrSet('released', () => 'loaded by the other')
    await expect.poll(loadLocks, { interval: 5 }).toEqual({ held: 1, awaited: 1 })
    const signalled = nextEvent(other, 'hint-received', ({ kind }) => kind === 'signal')
    latch.open()
    await expect(first).rejects.toThrow('down')
    await signalled
    const woken = performance.now()
    expect(await second).toBe('loaded by the other')
    expect(performance.now() - woken).toBeLessThan(250) // far below the 500 ms after which sleepers look again
    await noLocksLeft()
  })
})

describe('a loader that takes too long', () => {
  it('is aborted at loadTimeout, its callers are told, and its late value is not stored', async () => {
    const latch = new Latch()
    let context: LoadContext | undefined
    const late = cache.getOrSet(
      'late',
      async (given) => {
        context = given
        await latch.opened
        return 'late'
      },
      { loadTimeout: 30 },
    )
    await expect(late).rejects.toMatchObject({ code: 'load-timeout', key: 'late', option: 'loadTimeout' })
    expect(context?.signal.aborted).toBe(true)
    expect(context?.signal.reason).toMatchObject({ code: 'load-timeout' })
    await noLocksLeft()
    latch.open()
    await cache.sync()
    expect(await cache.get('late', { fresh: true })).toBeUndefined()
    expect(await other.getOrSet('late', () => 'in time')).toBe('in time')
  })

  it('has the cache’s loadTimeout where the call names none', async () => {
    await using own = new PostgresCache({ connectionString, loadTimeout: 30 })
    await expect(own.getOrSet('late too', () => new Promise(() => {}))).rejects.toMatchObject({
      code: 'load-timeout',
    })
  })
})

describe('a loader that calls the cache', () => {
  it('for the key it loads is refused, directly or through others', async () => {
    const refusal = { code: 'reentrant-load', key: 'self' }
    await expect(cache.getOrSet('self', () => cache.getOrSet('self', () => 1))).rejects.toMatchObject(refusal)
    const roundabout = cache.getOrSet('self', () =>
      cache.getOrSet('between', async () => {
        await delay(1)
        return cache.getOrSet('self', () => 1)
      }),
    )
    await expect(roundabout).rejects.toMatchObject(refusal)
    expect(await cache.getOrSet('self', () => 'free again')).toBe('free again')
  })

  it('for a key whose loader waits for it in the same process ends with the deadline of the loads', async () => {
    const bothLoad = new Latch()
    let loading = 0
    const waitFor = (key: string): Promise<unknown> => {
      if (++loading === 2) bothLoad.open()
      return bothLoad.opened.then(() => cache.getOrSet(key, () => 1, { loadTimeout: '300ms' }))
    }
    const calls = await Promise.allSettled([
      cache.getOrSet('one', () => waitFor('two'), { loadTimeout: '300ms' }),
      cache.getOrSet('two', () => waitFor('one'), { loadTimeout: '300ms' }),
    ])
    const timedOut = { status: 'rejected', reason: expect.objectContaining({ code: 'load-timeout' }) }
    expect(calls).toEqual([timedOut, timedOut])
  })

  it('for other keys completes with a pool of one connection', async () => {
    await using narrow = new PostgresCache({ connectionString, pool: { max: 1 } })
    const nested = (key: string): Promise<string> =>
      narrow.getOrSet(key, async () => {
        const inner = await narrow.getOrSet(`${key} inner`, async () => {
          await narrow.set(`${key} side`, 1)
          return narrow.getOrSet(`${key} innermost`, () => key)
        })
        return `${inner}!`
      })
    const keys = ['nest a', 'nest b', 'nest c', 'nest d', 'nest e']
    expect(await Promise.all(keys.map(nested))).toEqual(keys.map((key) => `${key}!`))
  })
})

describe('a caller’s signal', () => {
  it('that is aborted before the call loads nothing', async () => {
    const source = new CountingLoad(() => 1)
    const signal = AbortSignal.abort(new Error('gave up'))
    await expect(cache.getOrSet('early', source.load, { signal })).rejects.toThrow('gave up')
    expect(source.runs).toBe(0)
    await expect(cache.get('early', { signal })).rejects.toThrow('gave up')
    await expect(cache.set('early', 1, { signal })).rejects.toThrow('gave up')
    expect(await cache.get('early', { fresh: true })).toBeUndefined()
  })

  it('that is aborted before the call rejects it where the local cache could answer, too', async () => {
    await cache.set('held', 1)
    expect(await held(cache, 'held')).toBe(1)
    // As that of a loader whose deadline has passed: a CacheError must not be taken for one of the store.
    const signal = AbortSignal.abort(new CacheError('load-timeout', 'gave up'))
    const unwanted = (): never => {
      throw new Error('unwanted')
    }
    const calls = {
      get: () => cache.get('held', { signal }),
      has: () => cache.has('held', { signal }),
      getMany: () => cache.getMany(['held'], { signal }),
      getEntry: () => cache.getEntry('held', { signal }),
      'get of what is not held': () => cache.get('not held', { signal }),
      getOrSet: () => cache.getOrSet('held', unwanted, { signal }),
      getOrSetMany: () => cache.getOrSetMany(['held'], unwanted, { signal }),
    }
    for (const call of Object.values(calls)) await expect(call()).rejects.toThrow('gave up')
    expect(cache.peek('held')).toBe(1)
  })

  it('takes its caller out and leaves the load to the others', async () => {
    const latch = new Latch()
    const controller = new AbortController()
    let loaderSignal: AbortSignal | undefined
    const load = (signal?: AbortSignal): Promise<string> =>
      cache.getOrSet(
        'left',
        async (context) => {
          loaderSignal = context.signal
          await latch.opened
          return 'loaded'
        },
        { signal },
      )
    const impatient = load(controller.signal)
    const patient = load()
    await expect.poll(() => loaderSignal).toBeDefined()
    controller.abort(new Error('gave up'))
    await expect(impatient).rejects.toThrow('gave up')
    expect(loaderSignal?.aborted).toBe(false)
    latch.open()
    expect(await patient).toBe('loaded')
  })

  it('aborts the loader when nobody else waits for it', async () => {
    const controllers = [new AbortController(), new AbortController()]
    let loaderSignal: AbortSignal | undefined
    const callers = controllers.map(({ signal }) =>
      cache.getOrSet(
        'abandoned',
        (context) => {
          loaderSignal = context.signal
          return new Promise(() => {})
        },
        { signal },
      ),
    )
    await expect.poll(() => loaderSignal).toBeDefined()
    controllers[0]?.abort(new Error('first'))
    await expect(callers[0]).rejects.toThrow('first')
    expect(loaderSignal?.aborted).toBe(false)
    controllers[1]?.abort(new Error('second'))
    await expect(callers[1]).rejects.toThrow('second')
    expect(loaderSignal?.reason).toMatchObject({ message: 'second' })
    expect(await cache.getOrSet('abandoned', () => 'anew')).toBe('anew')
    await noLocksLeft()
  })
})
