import { describe, expect, test } from 'vitest'
import type { Cache } from '../../src/contract.ts'
import { isCacheError } from '../../src/core/errors.ts'
import { NullCache } from '../../src/null-cache.ts'
import { PostgresCache } from '../../src/cache.ts'
import { collect } from '../collect.ts'

const READS: Record<string, (cache: Cache, options: never) => unknown> = {
  get: (cache, options) => cache.get('k', options),
  has: (cache, options) => cache.has('k', options),
  getMany: (cache, options) => cache.getMany(['k'], options),
}

const OTHERS: Record<string, (cache: Cache, options: never) => unknown> = {
  connect: (cache, options) => cache.connect(options),
  getEntry: (cache, options) => cache.getEntry('k', options),
  take: (cache, options) => cache.take('k', options),
  delete: (cache, options) => cache.delete('k', options),
  deleteMany: (cache, options) => cache.deleteMany(['k'], options),
  invalidate: (cache, options) => cache.invalidate('k', options),
  invalidateTags: (cache, options) => cache.invalidateTags('t', options),
  deleteByPrefix: (cache, options) => cache.deleteByPrefix('k', options),
  clear: (cache, options) => cache.clear(options),
  touch: (cache, options) => cache.touch('k', null, options),
  expire: (cache, options) => cache.expire('k', options),
  prune: (cache, options) => cache.prune(options),
  sync: (cache, options) => cache.sync(options),
}

const SCANS: Record<string, (cache: Cache, options: never) => unknown> = {
  keys: (cache, options) => collect(cache.keys(options)),
  entries: (cache, options) => collect(cache.entries(options)),
}

const WRITES: Record<string, (cache: Cache, options: never) => unknown> = {
  set: (cache, options) => cache.set('k', 1, options),
  'setMany of pairs': (cache, options) => cache.setMany([['k', 1]], options),
  'setMany of objects': (cache, options) => cache.setMany([{ key: 'k', value: 1 }], options),
  'setMany of nothing': (cache, options) => cache.setMany([], options),
  add: (cache, options) => cache.add('k', 1, options),
  increment: (cache, options) => cache.increment('k', options),
  compareAndSet: (cache, options) => cache.compareAndSet('k', undefined, 1, options),
}

const LOADS: Record<string, (cache: Cache, options: never) => unknown> = {
  'getOrSetMany of nothing': (cache, options) => cache.getOrSetMany([], () => [], options),
  getOrSet: (cache, options) => cache.getOrSet('k', () => 1, options),
  getOrSetMany: (cache, options) => cache.getOrSetMany(['k'], () => [1], options),
}

// Nothing listens there: what reached the server would fail with `unavailable`.
const unconnected = new PostgresCache({ connectionString: 'postgres://127.0.0.1:1/none' })
const CACHES: Cache[] = [
  unconnected,
  unconnected.namespace('n'),
  new NullCache(),
  new NullCache().namespace('n'),
]

async function refusal(call: () => unknown): Promise<unknown> {
  try {
    return await call()
  } catch (error) {
    return isCacheError(error) ? { code: error.code, option: error.option } : error
  }
}

describe('a call refuses', () => {
  test.each(Object.entries({ ...READS, ...OTHERS, ...SCANS, ...WRITES, ...LOADS }))(
    'unknown names, no objects and what is no signal: %s',
    async (_, call) => {
      for (const cache of CACHES) {
        expect(await refusal(() => call(cache, { frsh: true } as never))).toEqual({
          code: 'invalid-option',
          option: 'frsh',
        })
        for (const none of ['5m', 5, null])
          expect(await refusal(() => call(cache, none as never))).toEqual({
            code: 'invalid-option',
            option: 'options',
          })
        expect(await refusal(() => call(cache, { signal: new AbortController() } as never))).toEqual({
          code: 'invalid-option',
          option: 'signal',
        })
      }
    },
  )

  test.each([...Object.entries(OTHERS), ...Object.entries(SCANS)])('`fresh` in %s', async (_, call) => {
    for (const cache of CACHES)
      expect(await refusal(() => call(cache, { fresh: true } as never))).toEqual({
        code: 'invalid-option',
        option: 'fresh',
      })
  })

  test.each(Object.entries({ ...WRITES, ...LOADS }))('options of other calls: %s', async (name, call) => {
    const others = name in LOADS ? ['by'] : ['force', 'local', 'refreshAhead', 'timeout', 'loadTimeout']
    if (name !== 'increment' && name in WRITES) others.push('by')
    for (const cache of CACHES)
      for (const option of others)
        expect(await refusal(() => call(cache, { [option]: undefined } as never))).toEqual({
          code: 'invalid-option',
          option,
        })
  })

  test('unknown names in an entry of setMany', async () => {
    for (const cache of CACHES)
      expect(await refusal(() => cache.setMany([{ key: 'k', value: 1, tll: null } as never]))).toEqual({
        code: 'invalid-option',
        option: 'tll',
      })
  })

  test('the plural where one tag is meant, which would list everything', async () => {
    for (const cache of CACHES)
      await expect(collect(cache.keys({ tags: 'users' } as never))).rejects.toThrow(
        'Unknown option `tags`: did you mean `tag`?',
      )
  })

  test.each(Object.entries({ ...READS, ...LOADS }))(
    'what is neither true nor false: %s',
    async (name, call) => {
      const flags = name in LOADS ? ['fresh', 'force', 'local'] : ['fresh']
      for (const cache of CACHES)
        for (const option of flags)
          for (const value of ['yes', 1, 0, null])
            expect(await refusal(() => call(cache, { [option]: value } as never))).toEqual({
              code: 'invalid-option',
              option,
            })
    },
  )

  test('a wrong key in peek', () => {
    for (const cache of CACHES) expect(() => cache.peek(undefined as never)).toThrow(/`key`/)
  })
})

test('what is undefined is left out', async () => {
  const cache: Cache = new NullCache()
  const nothing = { signal: undefined, fresh: undefined, force: undefined, local: undefined }
  expect(await cache.getOrSet('k', () => 1, nothing)).toBe(1)
  expect(await cache.get('k', { signal: undefined, fresh: undefined })).toBeUndefined()
  expect(await collect(cache.keys({ prefix: undefined, tag: undefined, signal: undefined }))).toEqual([])
})
