import { describe, expect, test } from 'vitest'
import type { Cache } from '../../src/contract.ts'
import { isCacheError } from '../../src/core/errors.ts'
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
