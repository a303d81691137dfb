import { describe, expect, test } from 'vitest'
import type { Cache } from '../../src/contract.ts'
import { NullCache } from '../../src/null-cache.ts'
import type { CacheOptions } from '../../src/options.ts'
import { Latch } from '../latch.ts'

const refused = (code: string) => expect.objectContaining({ name: 'CacheError', code })

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

describe('NullCache', () => {
  test('reads are misses, also after a set', async () => {
    const cache: Cache = new NullCache()
    await cache.set('k', 1, { ttl: '5m', tags: ['t'] })
    await cache.setMany(new Map([['k', 2]]))
    expect(await cache.get('k')).toBe(undefined)
    expect(await cache.has('k')).toBe(false)
    expect(await cache.getMany(['k', 'l'])).toEqual([undefined, undefined])
    expect(await cache.getEntry('k')).toBe(undefined)
    expect(cache.peek('k')).toBe(undefined)
    expect(await all(cache.keys())).toEqual([])
    expect(await all(cache.entries({ prefix: 'k', tag: 't' }))).toEqual([])
  })

  test('every other call is harmless, before connect and after close', async () => {
    const cache: Cache = new NullCache()
    for (let round = 0; round < 2; round += 1) {
      expect(await cache.delete('k')).toBe(false)
      expect(await cache.deleteMany(['k', 'l'])).toEqual([false, false])
      await cache.invalidate('k')
      await cache.invalidate(['k', 'l'])
      await cache.deleteByPrefix('k')
      await cache.clear()
      expect(await cache.touch('k', null)).toBe(false)
      expect(await cache.expire('k')).toBe(false)
      expect(await cache.prune()).toBe(0)
      await cache.sync()
      await cache.connect()
      await cache.close()
      await cache[Symbol.asyncDispose]()
    }
  })

  test('runs the loader every time, one caller at a time', async () => {
    const cache = new NullCache()
    let loads = 0
    const load = async () => (loads += 1)
    expect(await Promise.all([cache.getOrSet('k', load), cache.getOrSet('k', load)])).toEqual([1, 2])
    expect(await cache.getOrSet('k', load)).toBe(3)
  })

  test('the loader gets key, signal and a context that does nothing', async () => {
    const cache = new NullCache()
    const { signal } = new AbortController()
    const value = await cache.getOrSet(
      'k',
      (context) => {
        expect(context.key).toBe('k')
        expect(context.signal.aborted).toBe(signal.aborted)
        expect(context.previous).toBe(undefined)
        context.set({ ttl: '1m', tags: ['t'] })
        return context.skip('value')
      },
      { signal },
    )
    expect(value).toBe('value')
    expect(await cache.getOrSet('k', ({ signal: own }) => own.aborted)).toBe(false)
  })

  test('a caller that has waited long enough is let go, and the load goes on', async () => {
    const cache = new NullCache()
    const loaded = new Promise((resolve) => cache.on('loaded', resolve))
    const latch = new Latch()
    const load = async (): Promise<number> => {
      await latch.opened
      return 1
    }
    await expect(cache.getOrSet('k', load, { timeout: 1 })).rejects.toMatchObject({
      code: 'wait-timeout',
      key: 'k',
      option: 'timeout',
    })
    await expect(cache.getOrSet('m', load, { loadTimeout: 1 })).rejects.toMatchObject({
      code: 'load-timeout',
      key: 'm',
    })
    const gaveUp = new AbortController()
    const seen: AbortSignal[] = []
    const loadMany = async (_: readonly string[], { signal }: { signal: AbortSignal }): Promise<number[]> => {
      seen.push(signal)
      return [await load()]
    }
    const abandoned = cache.getOrSetMany(['l'], loadMany, { signal: gaveUp.signal })
    const reason = new Error('request closed')
    gaveUp.abort(reason)
    await expect(abandoned).rejects.toBe(reason)
    expect(seen.map(({ reason: told }) => told)).toEqual([reason])
    latch.open()
    expect(await loaded).toMatchObject({ key: 'k' })
  })

  test('what the loader throws reaches the caller unchanged', async () => {
    const cache = new NullCache()
    const error = new Error('no such user')
    const failures: unknown[] = []
    cache.on('load-failed', (payload) => failures.push(payload))
    await expect(cache.getOrSet('k', () => Promise.reject(error))).rejects.toBe(error)
    await expect(
      cache.getOrSet('k', () => {
        throw error
      }),
    ).rejects.toBe(error)
    expect(failures).toEqual([
      { key: 'k', error },
      { key: 'k', error },
    ])
  })

  test('counts misses and loads, and nothing kept', async () => {
    const cache = new NullCache()
    const loaded: unknown[] = []
    cache.on('loaded', (payload) => loaded.push(payload))
    await cache.get('k')
    await cache.getMany(['k', 'l'])
    await cache.getOrSet('k', () => 1)
    await cache.set('k', 1)
    expect(loaded).toEqual([{ key: 'k', ms: expect.any(Number), stored: false }])
    expect(cache.stats()).toMatchObject({
      misses: 4,
      loads: 1,
      sets: 0,
      hits: { local: 0, store: 0, stale: 0 },
      local: { entries: 0, bytes: 0 },
      pendingBytes: 0,
    })
  })

  test('hands out what is loaded as the real cache does', async () => {
    for (const cache of [new NullCache(), new NullCache().namespace('n')]) {
      const date = new Date(0)
      expect(await cache.getOrSet('k', () => ({ date }))).toStrictEqual({ date: date.toJSON() })
      expect(await cache.getOrSetMany(['k'], () => [date])).toEqual([date.toJSON()])
      expect(await cache.getOrSet('k', ({ skip }) => skip(date))).toBe(date)
      expect(await cache.getOrSet('k', () => undefined)).toBeUndefined()
      await expect(cache.getOrSet('k', () => 1n)).rejects.toMatchObject({
        code: 'invalid-value',
        key: expect.any(String),
      })
    }
  })

  test('refuses wrong options like the real cache', () => {
    expect(() => new NullCache({ ttl: 0 })).toThrow(refused('invalid-option'))
    expect(() => new NullCache({ tll: '5m' } as CacheOptions)).toThrow('did you mean `ttl`?')
  })

  test.each<[string, string, (cache: Cache) => unknown]>([
    ['a key in get', 'invalid-key', (cache) => cache.get('')],
    ['a key in has', 'invalid-key', (cache) => cache.has('')],
    ['a key in getMany', 'invalid-key', (cache) => cache.getMany(['a', ''])],
    ['a key in getEntry', 'invalid-key', (cache) => cache.getEntry('')],
    ['a key in set', 'invalid-key', (cache) => cache.set('', 1)],
    ['a key in setMany', 'invalid-key', (cache) => cache.setMany([['', 1]])],
    ['a key in getOrSet', 'invalid-key', (cache) => cache.getOrSet('', () => 1)],
    ['a key in getOrSetMany', 'invalid-key', (cache) => cache.getOrSetMany([''], () => [1])],
    ['a key in add', 'invalid-key', (cache) => cache.add('', 1)],
    ['a key in take', 'invalid-key', (cache) => cache.take('')],
    ['a key in increment', 'invalid-key', (cache) => cache.increment('')],
    ['a key in compareAndSet', 'invalid-key', (cache) => cache.compareAndSet('', undefined, 1)],
    ['a key in delete', 'invalid-key', (cache) => cache.delete('')],
    ['a key in deleteMany', 'invalid-key', (cache) => cache.deleteMany([''])],
    ['a key in invalidate', 'invalid-key', (cache) => cache.invalidate(['a', ''])],
    ['a key in touch', 'invalid-key', (cache) => cache.touch('', null)],
    ['a key in expire', 'invalid-key', (cache) => cache.expire('')],
    ['a prefix in deleteByPrefix', 'invalid-key', (cache) => cache.deleteByPrefix('')],
    ['a prefix in keys', 'invalid-key', (cache) => all(cache.keys({ prefix: '\0' }))],
    ['a tag in entries', 'invalid-tag', (cache) => all(cache.entries({ tag: '' }))],
    ['a ttl in set', 'invalid-ttl', (cache) => cache.set('k', 1, { ttl: 0 })],
    ['a ttl in setMany', 'invalid-ttl', (cache) => cache.setMany([{ key: 'k', value: 1, ttl: 0 }])],
    ['a ttl in getOrSet', 'invalid-ttl', (cache) => cache.getOrSet('k', () => 1, { ttl: 0 })],
    ['a ttl in a loader', 'invalid-ttl', (cache) => cache.getOrSet('k', ({ set }) => set({ ttl: 0 }))],
    ['a ttl in touch', 'invalid-ttl', (cache) => cache.touch('k', 0)],
    ['a grace in set', 'invalid-ttl', (cache) => cache.set('k', 1, { grace: 0 })],
    ['a tag in set', 'invalid-tag', (cache) => cache.set('k', 1, { tags: [''] })],
    ['a deadline in getOrSet', 'invalid-option', (cache) => cache.getOrSet('k', () => 1, { loadTimeout: 0 })],
    ['a value in set', 'invalid-value', (cache) => cache.set('k', undefined)],
    ['a value in setMany', 'invalid-value', (cache) => cache.setMany([['k', 5n]])],
    ['a large value in set', 'value-too-large', (cache) => cache.set('k', Buffer.alloc(11))],
  ])('refuses %s by rejecting, not by throwing', async (_what, code, call) => {
    const returned = call(new NullCache({ maxValueBytes: 10 }))
    await expect(returned).rejects.toThrow(refused(code))
  })

  test('peek throws for a wrong key', () => {
    expect(() => new NullCache().peek('')).toThrow(refused('invalid-key'))
  })

  test('a signal that is aborted already rejects with its reason, and no loader runs', async () => {
    const cache = new NullCache()
    const reason = new Error('request closed')
    const options = { signal: AbortSignal.abort(reason) }
    let hasRun = false
    await expect(cache.get('k', options)).rejects.toBe(reason)
    await expect(cache.set('k', 1, options)).rejects.toBe(reason)
    await expect(cache.clear(options)).rejects.toBe(reason)
    await expect(cache.connect(options)).rejects.toBe(reason)
    await expect(cache.getOrSet('k', () => (hasRun = true), options)).rejects.toBe(reason)
    expect(hasRun).toBe(false)
  })
})
