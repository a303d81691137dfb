import { afterAll, describe, expect, it } from 'vitest'
import { type CacheErrorCode, isCacheError, PostgresCache } from '../../src/index.ts'
import { collect } from '../collect.ts'
import { createDatabase } from '../database.ts'

const { url: connectionString, query } = await createDatabase()
const cache = new PostgresCache({ connectionString, maxValueBytes: 1_000 })
afterAll(() => cache.close())

const BAD_KEYS: Record<string, unknown> = {
  empty: '',
  'a byte too long': 'k'.repeat(1025),
  'too long in UTF-8': 'é'.repeat(513),
  'half a surrogate pair': 'a\ud83d',
  'with NUL': 'a\0b',
  'no string': 5,
  undefined,
}

const KEYED_CALLS: Record<string, (key: string) => Promise<unknown>> = {
  get: (key) => cache.get(key),
  has: (key) => cache.has(key),
  getMany: (key) => cache.getMany(['good', key]),
  getEntry: (key) => cache.getEntry(key),
  set: (key) => cache.set(key, 1),
  setMany: (key) => cache.setMany([['good', 1], [key, 2]]), // prettier-ignore
  getOrSet: (key) => cache.getOrSet(key, () => 1),
  delete: (key) => cache.delete(key),
  deleteMany: (key) => cache.deleteMany(['good', key]),
  invalidate: (key) => cache.invalidate(['good', key]),
  touch: (key) => cache.touch(key, '1m'),
  expire: (key) => cache.expire(key),
  deleteByPrefix: (key) => cache.deleteByPrefix(key),
}

const CYCLE: unknown[] = []
CYCLE.push(CYCLE)

const BAD_CALLS: [string, CacheErrorCode, () => Promise<unknown>][] = [
  ['a ttl of zero', 'invalid-ttl', () => cache.set('k', 1, { ttl: 0 })],
  ['a negative ttl', 'invalid-ttl', () => cache.set('k', 1, { ttl: -5 })],
  ['a ttl that is no number', 'invalid-ttl', () => cache.set('k', 1, { ttl: Number.NaN })],
  ['a ttl without an end', 'invalid-ttl', () => cache.set('k', 1, { ttl: Infinity })],
  ['a ttl of a thousand years', 'invalid-ttl', () => cache.set('k', 1, { ttl: `${366 * 1_000}d` })],
  ['a ttl that is a point in time', 'invalid-ttl', () => cache.set('k', 1, { ttl: Date.now() * 1_000 })],
  ['a ttl without a unit', 'invalid-ttl', () => cache.set('k', 1, { ttl: '5' as '5m' })],
  ['a ttl of an unknown unit', 'invalid-ttl', () => cache.getOrSet('k', () => 1, { ttl: '5y' as '5m' })],
  ['a grace of zero', 'invalid-ttl', () => cache.set('k', 1, { grace: 0 })],
  ['a touch without a ttl', 'invalid-ttl', () => cache.touch('k', undefined as unknown as null)],
  ['a touch of zero', 'invalid-ttl', () => cache.touch('k', 0)],
  ['an empty tag', 'invalid-tag', () => cache.set('k', 1, { tags: [''] })],
  ['a tag that is too long', 'invalid-tag', () => cache.set('k', 1, { tags: ['t'.repeat(1025)] })],
  ['a tag with NUL', 'invalid-tag', () => cache.set('k', 1, { tags: ['\0'] })],
  [
    'too many tags',
    'invalid-tag',
    () => cache.set('k', 1, { tags: Array.from({ length: 65 }, (_, i) => `t${i}`) }),
  ],
  ['tags that are a string', 'invalid-tag', () => cache.set('k', 1, { tags: 'tag' as unknown as [] })],
  ['a wrong tag to list by', 'invalid-tag', () => collect(cache.keys({ tag: '' }))],
  ['a wrong prefix to list by', 'invalid-key', () => collect(cache.keys({ prefix: '\ud800' }))],
  ['a value of undefined', 'invalid-value', () => cache.set('k', undefined)],
  ['a value that is a function', 'invalid-value', () => cache.set('k', () => 1)],
  ['a value that is a symbol', 'invalid-value', () => cache.set('k', Symbol('s'))],
  ['a BigInt deep inside', 'invalid-value', () => cache.set('k', { list: [1n] })],
  ['a cycle', 'invalid-value', () => cache.set('k', CYCLE)],
  ['a BigInt from a loader', 'invalid-value', () => cache.getOrSet('k', () => 1n)],
  ['a value over the limit', 'value-too-large', () => cache.set('k', 'x'.repeat(1_000))],
  ['a value over the limit in UTF-8', 'value-too-large', () => cache.set('k', 'é'.repeat(500))],
  ['bytes over the limit', 'value-too-large', () => cache.set('k', new Uint8Array(1_001))],
  ['a load-timeout of zero', 'invalid-option', () => cache.getOrSet('k', () => 1, { loadTimeout: 0 })],
  [
    'a load-timeout above that of the cache',
    'invalid-option',
    () => cache.getOrSet('k', () => 1, { loadTimeout: '31s' }),
  ],
  ['a ttl in the place of options', 'invalid-option', () => cache.set('k', 1, 60 as never)],
  ['a duration in the place of options', 'invalid-option', () => cache.set('k', 1, '5m' as never)],
  ['a prefix in the place of options', 'invalid-option', () => collect(cache.keys('k' as never))],
  ['no loader', 'invalid-option', () => cache.getOrSet('k', undefined as never)],
  ['a value in the place of a loader', 'invalid-option', () => cache.getOrSet('k', 5 as never)],
  ['options before the loader', 'invalid-option', () => cache.getOrSet('k', {} as never, (() => 1) as never)],
  ['no loader of many', 'invalid-option', () => cache.getOrSetMany(['k'], undefined as never)],
  ['an object of entries', 'invalid-option', () => cache.setMany({ k: 1 } as never)],
  ['keys that are a string', 'invalid-key', () => cache.getMany('k' as never)],
  ['keys to delete that are a string', 'invalid-key', () => cache.deleteMany('k' as never)],
  ['a promise that nobody awaited', 'invalid-value', () => cache.set('k', Promise.resolve(1))],
  ['a transaction on what has no query()', 'invalid-option', () => cache.withTransaction({} as never)],
  [
    'a duration as options in a namespace',
    'invalid-option',
    () => cache.namespace('n').set('k', 1, '5m' as never),
  ],
  ['an entry that is none', 'invalid-option', () => cache.setMany([null as unknown as ['k', 1]])],
]

async function failure(call: () => Promise<unknown>): Promise<unknown> {
  try {
    return await call()
  } catch (error) {
    return error
  }
}

/** How many transactions the database has seen, this question included. */
async function transactionCount(): Promise<number> {
  await query('select pg_stat_force_next_flush()')
  const [row] = await query<{ count: string }>(
    'select xact_commit + xact_rollback as count from pg_stat_database where datname = current_database()',
  )
  return Number(row?.count)
}

describe('a wrong key', () => {
  it.each(Object.entries(BAD_KEYS))('(%s) is refused by every call', async (_, key) => {
    for (const [name, call] of Object.entries(KEYED_CALLS)) {
      const error = await failure(() => call(key as string))
      expect(isCacheError(error, 'invalid-key'), `${name}: ${String(error)}`).toBe(true)
    }
  })

  it('never reaches the database, and never touches what travels with it', async () => {
    const bad = Object.values(BAD_KEYS) as string[]
    const settled = await Promise.allSettled([
      cache.set('first', 1),
      ...bad.map((key) => cache.set(key, 1)),
      cache.set('second', 2),
      ...bad.map((key) => cache.get(key)),
      cache.getOrSet('third', () => 3),
      ...bad.map((key) => cache.delete(key)),
    ])
    const fulfilled = settled.filter(({ status }) => status === 'fulfilled')
    expect(fulfilled).toHaveLength(3)
    expect(await cache.getMany(['first', 'second', 'third'], { fresh: true })).toEqual([1, 2, 3])
  })

  it('in setMany keeps all of it from being sent', async () => {
    await expect(cache.setMany([['kept out', 1], ['', 2]])).rejects.toMatchObject({ code: 'invalid-key' }) // prettier-ignore
    expect(await cache.get('kept out', { fresh: true })).toBeUndefined()
  })
})

describe('wrong input', () => {
  it.each(BAD_CALLS)('(%s) is refused with %s', async (_, code, call) => {
    const neighbours = [cache.set('before', code), failure(call), cache.set('after', code)] as const
    const [, error] = await Promise.all(neighbours)
    expect(error).toMatchObject({ name: 'CacheError', code })
    expect(await cache.getMany(['before', 'after', 'k'], { fresh: true })).toEqual([code, code, undefined])
  })

  it('is refused before the database sees it', async ({ skip }) => {
    const [server] = await query<{ version: number }>(
      `select current_setting('server_version_num')::integer as version`,
    )
    skip((server?.version ?? 0) < 150_000, 'before PostgreSQL 15 statistics cannot be flushed on demand')
    await cache.connect()
    const before = await transactionCount()
    for (const [, code, call] of BAD_CALLS)
      if (code !== 'invalid-value') expect(await failure(call)).toMatchObject({ code })
    for (const key of Object.values(BAD_KEYS))
      for (const call of Object.values(KEYED_CALLS))
        expect(await failure(() => call(key as string))).toBeTruthy()
    // Its own two questions, and at most a sync or two that were due.
    expect((await transactionCount()) - before).toBeLessThan(10)
  })

  it('is refused where the local cache has the answer, too, when it is neither true nor false', async () => {
    await cache.set('held', 1)
    await expect.poll(async () => [await cache.get('held'), cache.peek('held')]).toEqual([1, 1])
    const refused = (option: string): object => ({ code: 'invalid-option', option })
    expect(await failure(() => cache.get('held', { fresh: 'yes' as never }))).toMatchObject(refused('fresh'))
    for (const option of ['fresh', 'force', 'local'])
      expect(await failure(() => cache.getOrSet('held', () => 2, { [option]: 1 }))).toMatchObject(
        refused(option),
      )
    expect(await cache.get('held', { fresh: false })).toBe(1)
  })

  it('tells which key, option and rule it is about', async () => {
    expect(await failure(() => cache.set('k', 1, { ttl: 0 }))).toMatchObject({
      option: 'ttl',
      message: expect.stringContaining('null for no expiry'),
    })
    expect(await failure(() => cache.set('big', 'x'.repeat(1_000)))).toMatchObject({
      key: 'big',
      option: 'maxValueBytes',
      message: expect.stringContaining('1002 bytes'),
    })
    expect(await failure(() => cache.get('a\0'))).toMatchObject({ key: 'a\0' })
  })
})

describe('a loader’s value that is too large to store', () => {
  it('is handed to its callers all the same', async () => {
    const large = 'x'.repeat(1_000)
    expect(await cache.getOrSet('large', () => large)).toBe(large)
    expect(await cache.get('large', { fresh: true })).toBeUndefined()
  })
})
