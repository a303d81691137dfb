import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { collect } from '../collect.ts'
import { createDatabase } from '../database.ts'
import { held } from '../held.ts'
import { ageRows } from './age-rows.ts'

const database = await createDatabase()
const connectionString = database.url
const cache = new PostgresCache({ connectionString })
/** Always asks the store. */
const store = new PostgresCache({ connectionString, local: false })
afterAll(() => Promise.all([cache.close(), store.close()]))
beforeEach(async () => {
  await cache.clear()
  await cache.prune()
})

/** Local caches hear of it by the sync. */
async function age(interval: string, keyPrefix?: string): Promise<void> {
  await ageRows(database, interval, keyPrefix)
  await cache.sync()
}

const rowCount = async (): Promise<number> => (await database.query('table postgres_cache.entries')).length

describe('get and has', () => {
  it('miss what was never set and find what was', async () => {
    expect(await cache.get('a')).toBeUndefined()
    await cache.set('a', 1)
    expect(await cache.get('a')).toBe(1)
    expect(await cache.has('a')).toBe(true)
    expect(await store.has('a')).toBe(true)
    expect(await store.has('b')).toBe(false)
  })

  it('see the last of several sets of a key that travel together', async () => {
    await Promise.all([cache.set('a', 1), cache.set('a', 2), cache.set('a', 3)])
    expect(await cache.get('a')).toBe(3)
    expect(await store.get('a')).toBe(3)
  })
})

describe('getMany', () => {
  it('answers in the order of the keys, repetitions included', async () => {
    await cache.setMany([
      ['a', 1],
      ['b', 2],
    ])
    for (const reader of [cache, store])
      expect(await reader.getMany(['b', 'x', 'a', 'b', 'x'])).toEqual([2, undefined, 1, 2, undefined])
  })

  it('answers nothing for no keys', async () => {
    expect(await cache.getMany([])).toEqual([])
  })

  it('reads more keys than one statement takes', async () => {
    const entries = Array.from({ length: 1_000 }, (_, i): [string, number] => [`n${i}`, i])
    await cache.setMany(entries)
    expect(await store.getMany(entries.map(([key]) => key))).toEqual(entries.map(([, i]) => i))
  })

  it('with fresh sees what another client has committed', async () => {
    await cache.set('a', 1)
    await store.set('a', 2)
    expect(await cache.getMany(['a'], { fresh: true })).toEqual([2])
  })
})

describe('getEntry', () => {
  it('shows value, tags, deadlines and a version that every write changes', async () => {
    await cache.set('a', { n: 1 }, { ttl: '1m', grace: '1h', tags: ['t', 'u', 't'] })
    const entry = await cache.getEntry('a')
    expect(entry).toMatchObject({ key: 'a', value: { n: 1 }, tags: ['t', 'u'], stale: false })
    expect(entry?.ttl).toBeGreaterThan(50_000)
    expect(entry?.ttl).toBeLessThanOrEqual(60_000)
    expect(Number(entry?.expiresAt) - Number(entry?.createdAt)).toBeGreaterThan(3_600_000)

    expect((await store.getEntry('a'))?.version).toBe(entry?.version)
    await cache.set('a', { n: 1 })
    expect((await cache.getEntry('a'))?.version).not.toBe(entry?.version)
  })

  it('shows what never expires', async () => {
    await cache.set('a', 1, { ttl: null })
    expect(await cache.getEntry('a')).toMatchObject({ ttl: null, expiresAt: null, stale: false })
  })

  it('shows a stale entry within its grace, marked, and nothing after it', async () => {
    await cache.set('a', 1, { ttl: '1m', grace: '1h' })
    await age('2 minutes')
    expect(await cache.getEntry('a')).toMatchObject({ value: 1, ttl: 0, stale: true })
    await age('1 hour')
    expect(await cache.getEntry('a')).toBeUndefined()
  })
})

describe('peek', () => {
  it('answers from the local cache alone', async () => {
    await store.set('a', 1)
    expect(cache.peek('a')).toBeUndefined()
    expect(await held(cache, 'a')).toBe(1)
    expect(store.peek('a')).toBeUndefined()
  })
})

describe('setMany', () => {
  it('takes pairs and objects, whose own options win over those of the call', async () => {
    await cache.setMany(
      [['pair', 1], { key: 'object', value: 2 }, { key: 'own', value: 3, ttl: null, tags: ['mine'] }],
      { ttl: '1m', tags: ['shared'] },
    )
    expect(await store.getEntry('pair')).toMatchObject({ value: 1, tags: ['shared'] })
    expect(await store.getEntry('object')).toMatchObject({ value: 2, tags: ['shared'] })
    expect(await store.getEntry('own')).toMatchObject({ value: 3, tags: ['mine'], ttl: null })
  })

  it('takes any iterable; of a key given twice the last one counts', async () => {
    await cache.setMany(new Map([['a', 1]]))
    await cache.setMany([
      ['b', 1],
      ['a', 2],
      ['b', 3],
    ])
    expect(await store.getMany(['a', 'b'])).toEqual([2, 3])
    await cache.setMany([])
  })
})

describe('delete and deleteMany', () => {
  it('tell whether a live entry was there, and remove the row', async () => {
    await cache.setMany([
      ['a', 1],
      ['b', 2],
    ])
    expect(await cache.delete('a')).toBe(true)
    expect(await cache.delete('a')).toBe(false)
    expect(await cache.deleteMany(['x', 'b', 'b', 'a'])).toEqual([false, true, true, false])
    expect(await cache.deleteMany([])).toEqual([])
    expect(await rowCount()).toBe(0)
    expect(await cache.getMany(['a', 'b'])).toEqual([undefined, undefined])
  })

  it('do not count an entry that has expired', async () => {
    await cache.set('a', 1, { ttl: '1m' })
    await age('2 minutes')
    expect(await cache.delete('a')).toBe(false)
  })
})

describe('invalidate', () => {
  it('takes one key or several, present or not', async () => {
    await cache.setMany([
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ])
    await cache.invalidate('a')
    await cache.invalidate(['b', 'b', 'nobody'])
    await cache.invalidate([])
    expect(await cache.getMany(['a', 'b', 'c'])).toEqual([undefined, undefined, 3])
    expect(await store.getMany(['a', 'b', 'c'])).toEqual([undefined, undefined, 3])
  })
})

describe('touch', () => {
  it('gives a live entry a new ttl and keeps value, tags and length of grace', async () => {
    await cache.set('a', 1, { ttl: '1m', grace: '1h', tags: ['t'] })
    expect(await cache.touch('a', '10m')).toBe(true)
    const entry = await store.getEntry('a')
    expect(entry).toMatchObject({ value: 1, tags: ['t'] })
    expect(entry?.ttl).toBeGreaterThan(9 * 60_000)
    await age('9 minutes')
    expect(await cache.get('a')).toBe(1)
    await age('2 minutes')
    expect(await cache.get('a')).toBeUndefined()
    expect((await store.getEntry('a'))?.stale).toBe(true)
  })

  it('with null makes it live for ever', async () => {
    await cache.set('a', 1, { ttl: '1m' })
    expect(await cache.touch('a', null)).toBe(true)
    await age('10 years')
    expect(await cache.get('a')).toBe(1)
  })

  it('finds nothing where nothing valid is', async () => {
    expect(await cache.touch('a', '1m')).toBe(false)
    await cache.set('a', 1, { ttl: '1m' })
    await age('2 minutes')
    expect(await cache.touch('a', '1m')).toBe(false)
    await cache.set('b', 1)
    await cache.deleteByPrefix('b')
    expect(await cache.touch('b', '1m')).toBe(false)
    expect(await store.getMany(['a', 'b'])).toEqual([undefined, undefined])
  })

  it('of several keys at once gives each its own ttl', async () => {
    await cache.setMany([
      ['a', 1],
      ['b', 2],
    ])
    expect(
      await Promise.all([cache.touch('a', '1m'), cache.touch('b', null), cache.touch('c', '1m')]),
    ).toEqual([true, true, false])
    await age('2 minutes')
    expect(await store.getMany(['a', 'b'])).toEqual([undefined, 2])
  })
})

describe('expire', () => {
  it('makes an entry with a grace stale now, and keeps it for a load that fails', async () => {
    await cache.set('a', 1, { ttl: '1h', grace: '1h' })
    expect(await cache.expire('a')).toBe(true)
    expect(await cache.get('a')).toBeUndefined()
    expect(await store.getEntry('a')).toMatchObject({ value: 1, stale: true })
    expect(await cache.getOrSet('a', () => Promise.reject(new Error('down')))).toBe(1)
  })

  it('makes an entry without a grace a miss, also for a load that fails', async () => {
    await cache.set('a', 1, { ttl: '1h' })
    expect(await cache.expire('a')).toBe(true)
    expect(await cache.get('a')).toBeUndefined()
    expect(await store.getEntry('a')).toBeUndefined()
    await expect(cache.getOrSet('a', () => Promise.reject(new Error('down')))).rejects.toThrow('down')
    expect(await cache.expire('a')).toBe(false)
  })

  it('ends an entry that had no expiry', async () => {
    await cache.set('a', 1, { ttl: null })
    expect(await cache.expire('a')).toBe(true)
    expect(await store.get('a')).toBeUndefined()
  })

  it('finds nothing where nothing is', async () => {
    expect(await cache.expire('a')).toBe(false)
  })
})

describe('deleteByPrefix and clear', () => {
  it('invalidate every key with the prefix, and no other', async () => {
    const keys = ['user:1', 'user:2', 'user', 'users:1', 'USER:1']
    await cache.setMany(keys.map((key) => [key, 1]))
    await cache.deleteByPrefix('user:')
    const left = [undefined, undefined, 1, 1, 1]
    expect(await cache.getMany(keys)).toEqual(left)
    expect(await store.getMany(keys)).toEqual(left)
    await cache.clear()
    expect(await cache.getMany(keys)).toEqual(keys.map(() => undefined))
    expect(await store.getMany(keys)).toEqual(keys.map(() => undefined))
  })

  it('leave what is set afterwards', async () => {
    await cache.set('user:1', 1)
    await cache.deleteByPrefix('user:')
    await cache.set('user:1', 2)
    await cache.clear()
    await cache.set('user:2', 3)
    expect(await store.getMany(['user:1', 'user:2'])).toEqual([undefined, 3])
  })

  it.each(['%', '_', '\\', "'", '.*', '🙂'])('take %s for itself in a prefix', async (prefix) => {
    await cache.setMany([
      [`${prefix}a`, 1],
      ['xa', 2],
    ])
    await cache.deleteByPrefix(prefix)
    expect(await store.getMany([`${prefix}a`, 'xa'])).toEqual([undefined, 2])
  })
})

describe('keys and entries', () => {
  it('list what is live, in key order', async () => {
    await cache.setMany([['b', 2], ['a', 1], ['é', 4], { key: 'c', value: 3, ttl: '1m', grace: '1h' }])
    await cache.set('gone', 1)
    await cache.delete('gone')
    await age('2 minutes', 'c')
    expect(await collect(cache.keys())).toEqual(['a', 'b', 'é'])
    expect(await collect(cache.entries())).toMatchObject([
      { key: 'a', value: 1, stale: false },
      { key: 'b', value: 2 },
      { key: 'é', value: 4 },
    ])
  })

  it('list those with a prefix, a tag, or both', async () => {
    await cache.setMany([
      { key: 'user:1', value: 1, tags: ['even', 'odd'] },
      { key: 'user:2', value: 2, tags: ['even'] },
      { key: 'item:2', value: 3, tags: ['even'] },
    ])
    expect(await collect(cache.keys({ prefix: 'user:' }))).toEqual(['user:1', 'user:2'])
    expect(await collect(cache.keys({ tag: 'even' }))).toEqual(['item:2', 'user:1', 'user:2'])
    expect(await collect(cache.keys({ tag: 'odd', prefix: 'user:' }))).toEqual(['user:1'])
    expect(await collect(cache.keys({ tag: 'odd', prefix: 'item:' }))).toEqual([])
  })

  it('go on over pages, and stop where the reader stops', async () => {
    const keys = Array.from({ length: 1_203 }, (_, i) => `k${String(i).padStart(5, '0')}`)
    await cache.setMany(keys.map((key) => [key, 1]))
    expect(await collect(cache.keys())).toEqual(keys)
    for await (const key of cache.keys()) {
      expect(key).toBe('k00000')
      break
    }
  })

  it('stop when their signal is aborted', async () => {
    await cache.set('a', 1)
    const reason = new Error('enough')
    await expect(collect(cache.keys({ signal: AbortSignal.abort(reason) }))).rejects.toBe(reason)
  })
})

describe('prune', () => {
  it('removes what has expired or is invalidated, and tells how much', async () => {
    await cache.setMany([
      { key: 'expired', value: 1, ttl: '1m' },
      { key: 'stale', value: 2, ttl: '1m', grace: '1h' },
      { key: 'live', value: 3 },
      { key: 'void', value: 4 },
    ])
    await age('2 minutes')
    await cache.deleteByPrefix('void')
    expect(await cache.prune()).toBe(2)
    expect(await cache.prune()).toBe(0)
    expect(await rowCount()).toBe(2)
    expect(await store.get('live')).toBe(3)
    expect((await store.getEntry('stale'))?.value).toBe(2)
  })
})

describe('stats', () => {
  it('count what happened, and say what is held', async () => {
    await using own = new PostgresCache({ connectionString })
    await own.get('a')
    await own.set('a', 'x')
    await own.get('a')
    await own.get('a', { fresh: true })
    await own.getOrSet('b', () => 1)
    await own.delete('a')
    await own.invalidate('b')
    // The news of the delete may have come before its acknowledgement, and the key is then read again.
    await expect
      .poll(() => own.stats())
      .toMatchObject({
        hits: { local: 1, store: 1, stale: 0 },
        misses: 2,
        loads: 1,
        sets: 1,
        deletes: 1,
        invalidations: 1,
        local: { entries: 0, bytes: 0 },
        pendingBytes: 0,
      })
    await own.set('c', 1)
    expect(own.stats().local.entries).toBe(1)
    expect(own.stats().local.bytes).toBeGreaterThan(0)
  })
})
