import { describe, expect, test } from 'vitest'
import type { Cache } from '../../src/contract.ts'
import { isCacheError } from '../../src/core/errors.ts'
import type { EntryOptions, LoadOptions, StaleChoice } from '../../src/options.ts'
import { NullCache } from '../../src/null-cache.ts'
import { collect } from '../collect.ts'

const BAD_KEYS = ['', undefined, null, 5, 'a\0b'] as never[]

const KEYED: Record<string, (cache: Cache, key: never) => unknown> = {
  get: (cache, key) => cache.get(key),
  has: (cache, key) => cache.has(key),
  getMany: (cache, key) => cache.getMany(['good', key]),
  'getMany of no array': (cache, key) => cache.getMany(key),
  getEntry: (cache, key) => cache.getEntry(key),
  set: (cache, key) => cache.set(key, 1),
  'setMany of a pair': (cache, key) => cache.setMany([[key, 1]]),
  'setMany of an object': (cache, key) => cache.setMany([{ key, value: 1 }]),
  getOrSet: (cache, key) => cache.getOrSet(key, () => 1),
  getOrSetMany: (cache, key) => cache.getOrSetMany([key], () => [1]),
  'getOrSetMany of no array': (cache, key) => cache.getOrSetMany(key, () => [1]),
  add: (cache, key) => cache.add(key, 1),
  take: (cache, key) => cache.take(key),
  increment: (cache, key) => cache.increment(key),
  compareAndSet: (cache, key) => cache.compareAndSet(key, undefined, 1),
  delete: (cache, key) => cache.delete(key),
  deleteMany: (cache, key) => cache.deleteMany([key]),
  'deleteMany of no array': (cache, key) => cache.deleteMany(key),
  invalidate: (cache, key) => cache.invalidate(key),
  'invalidate of many': (cache, key) => cache.invalidate([key]),
  deleteByPrefix: (cache, prefix) => cache.deleteByPrefix(prefix),
  touch: (cache, key) => cache.touch(key, null),
  expire: (cache, key) => cache.expire(key),
}

const BAD_CALLS: Record<string, (cache: Cache) => unknown> = {
  'an object of entries': (cache) => cache.setMany({ a: 1 } as never),
  'no entries': (cache) => cache.setMany(undefined as never),
  'null as an entry': (cache) => cache.setMany([null as never]),
  'a string as an entry': (cache) => cache.setMany(['ab' as never]),
  'no tag': (cache) => cache.invalidateTags(undefined as never),
  'an empty tag': (cache) => cache.invalidateTags(''),
  'null as a prefix to list by': (cache) => collect(cache.keys({ prefix: null as never })),
  'a number as a prefix to list by': (cache) => collect(cache.entries({ prefix: 5 as never })),
  'a prefix in the place of options': (cache) => collect(cache.keys('a' as never)),
  'no loader': (cache) => cache.getOrSet('k', undefined as never),
  'no loader of many': (cache) => cache.getOrSetMany(['k'], undefined as never),
  'no pattern': (cache) => cache.watch('users', undefined as never),
  'an empty pattern': (cache) => cache.watch('users', { keys: [''] }),
  'undefined as a pattern': (cache) => cache.watch('users', { keys: [undefined as never] }),
  'a pattern that is no array': (cache) => cache.watch('users', { keys: 'user:{id}' as never }),
}

const IN_TRANSACTION: Record<string, (cache: Cache, key: never) => Promise<unknown>> = {
  'get in a transaction': async (cache, key) => (await begin(cache)).get(key),
  'set in a transaction': async (cache, key) => (await begin(cache)).set(key, 1),
  'delete in a transaction': async (cache, key) => (await begin(cache)).delete(key),
  'invalidate in a transaction': async (cache, key) => (await begin(cache)).invalidate(key),
  'invalidate of many in a transaction': async (cache, key) => (await begin(cache)).invalidate([key]),
  'deleteByPrefix in a transaction': async (cache, prefix) => (await begin(cache)).deleteByPrefix(prefix),
}

const begin = (cache: Cache) => cache.withTransaction({ query: () => Promise.reject(new Error('unused')) })

/** What a call rejects with. */
async function refusal(call: () => unknown): Promise<{ code: string; message: string } | undefined> {
  const returned = call()
  expect(returned).toBeInstanceOf(Promise)
  try {
    await returned
  } catch (error) {
    if (isCacheError(error)) return { code: error.code, message: error.message }
    throw error
  }
  return undefined
}

describe('a namespace refuses as its cache does', () => {
  const cache: Cache = new NullCache()
  const users = cache.namespace('users')

  test.each([...Object.entries(KEYED), ...Object.entries(IN_TRANSACTION)])(
    'wrong keys in %s',
    async (_, call) => {
      for (const key of BAD_KEYS) {
        const asCache = await refusal(() => call(cache, key))
        expect(asCache).toBeDefined()
        expect(await refusal(() => call(users, key))).toEqual(asCache)
        expect(await refusal(() => call(users.namespace('inner'), key))).toEqual(asCache)
      }
    },
  )

  test.each(Object.entries(BAD_CALLS))('%s', async (_, call) => {
    const asCache = await refusal(() => call(cache))
    expect(asCache).toBeDefined()
    expect(await refusal(() => call(users))).toEqual(asCache)
  })

  test('a wrong key in peek', () => {
    for (const key of BAD_KEYS) expect(() => users.peek(key)).toThrow(/`key`/)
  })
})

describe('options that can have no effect together', () => {
  const load = () => 1
  type Defaults = EntryOptions & LoadOptions & StaleChoice

  test.each<[string, Defaults, object]>([
    ['a revalidation', { grace: '1h', revalidate: 'background' }, { grace: null }],
    ['a soft timeout, by its deadline', { grace: '1h', softTimeout: '50ms' }, { timeout: '20ms' }],
    ['a soft timeout, by its grace', { grace: '1h', softTimeout: '50ms' }, { grace: null }],
    ['a soft timeout, by revalidation', { grace: '1h', softTimeout: '50ms' }, { revalidate: 'background' }],
  ])('a call may undo %s of its namespace, as it may that of the cache', async (_, defaults, options) => {
    const inner = new NullCache().namespace('outer', defaults).namespace('inner')
    for (const each of [new NullCache(defaults), new NullCache().namespace('n', defaults), inner]) {
      expect(await each.getOrSet('k', load, options)).toBe(1)
      expect(await each.getOrSetMany(['k'], () => [1], options)).toEqual([1])
    }
  })

  test('a namespace may undo what the one around it says', async () => {
    const outer = new NullCache().namespace('outer', { grace: '1h', revalidate: 'background' })
    expect(await outer.namespace('inner', { grace: null } as Defaults).getOrSet('k', load)).toBe(1)
  })

  test.each<[string, Defaults, object]>([
    ['revalidate', {}, { revalidate: 'background' }],
    ['revalidate', { grace: '1h' }, { grace: null, revalidate: 'background' }],
    ['softTimeout', { grace: '1h', timeout: '20ms' }, { softTimeout: '50ms' }],
    ['softTimeout', { grace: '1h', revalidate: 'background' }, { softTimeout: '50ms' }],
  ])('a call that names %s is refused: %j, %j', async (option, defaults, options) => {
    const inner = new NullCache().namespace('outer', defaults).namespace('inner')
    for (const each of [new NullCache(defaults), new NullCache().namespace('n', defaults), inner])
      await expect(each.getOrSet('k', load, options)).rejects.toMatchObject({
        code: 'invalid-option',
        option,
      })
  })

  test('a namespace is refused when it is made', () => {
    const outer = new NullCache().namespace('outer', { grace: '1h', timeout: '20ms' })
    const bad = { softTimeout: '50ms' } as Defaults
    for (const cache of [new NullCache(), outer])
      expect(() => cache.namespace('n', bad)).toThrow(
        expect.objectContaining({ code: 'invalid-option', option: 'softTimeout' }),
      )
  })
})
