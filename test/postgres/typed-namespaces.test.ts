import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { NullCache, PostgresCache, type StandardSchema } from '../../src/index.ts'
import { collect } from '../collect.ts'
import { CountingLoad } from '../counting-load.ts'
import { createDatabase } from '../database.ts'
import { held } from '../held.ts'
import { nextEvent } from '../next-event.ts'

const { url: connectionString } = await createDatabase()
const cache = new PostgresCache({ connectionString })
afterAll(() => cache.close())
beforeEach(() => cache.clear())

interface User {
  name: string
  since: Date
}

/** Two releases ago users had no `since`; JSON makes a text of it. */
const userSchema: StandardSchema<User> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => {
      const { name, since } = (value ?? {}) as Record<string, unknown>
      if (typeof name !== 'string') return { issues: [{ message: 'name is missing' }] }
      if (typeof since !== 'string' && !(since instanceof Date))
        return { issues: [{ message: 'since is missing' }] }
      return { value: { name, since: new Date(since) } }
    },
  },
}
const users = cache.namespace('users', { schema: userSchema, ttl: '1h' })
const ava: User = { name: 'Ava', since: new Date('2026-01-01') }

/** What a former release has stored. */
const storeOld = (...keys: string[]): Promise<void> =>
  cache.setMany(keys.map((key) => [`users:${key}`, { name: 'old' }]))

describe('a namespace with a schema', () => {
  it('hands out what the schema makes of the stored value', async () => {
    await users.set('1', ava)
    expect(await users.get('1')).toEqual(ava)
    expect(await users.getMany(['1', '2'])).toEqual([ava, undefined])
    expect((await users.getEntry('1'))?.value).toEqual(ava)
    expect((await collect(users.entries())).map(({ value }) => value)).toEqual([ava])
    await held(cache, 'users:1')
    expect(users.peek('1')).toEqual(ava)
    expect(await users.getOrSet('1', () => Promise.reject(new Error('unwanted')))).toEqual(ava)
    expect(await users.take('1')).toEqual(ava)
  })

  it('misses what does not fit, with an event, wherever it is read', async () => {
    const errors: unknown[] = []
    const off = cache.on('error', ({ error, operation }) => errors.push([operation, error.code, error.key]))
    await storeOld('1')
    expect(await users.get('1')).toBeUndefined()
    off()
    expect(errors).toEqual([['validate', 'invalid-value', 'users:1']])
    expect(await users.has('1')).toBe(false)
    expect(await users.getMany(['1'])).toEqual([undefined])
    expect(await users.getEntry('1')).toBeUndefined()
    expect(await collect(users.entries())).toEqual([])
    await held(cache, 'users:1')
    expect(users.peek('1')).toBeUndefined()
    expect(await cache.get('users:1')).toEqual({ name: 'old' })
  })

  it('names the whole key of what does not fit, with all namespaces around it', async () => {
    const found = nextEvent(cache, 'error')
    await cache.set('outer:users:1', { name: 'old' })
    await cache.namespace('outer').namespace('users', { schema: userSchema }).get('1')
    expect((await found).error).toMatchObject({
      key: 'outer:users:1',
      message: expect.stringContaining('"outer:users:1"'),
    })
  })

  it('loads again what does not fit, once, and stores it', async () => {
    await storeOld('1')
    const source = new CountingLoad(() => ava)
    expect(await users.getOrSet('1', source.load)).toEqual(ava)
    expect(await users.getOrSet('1', source.load)).toEqual(ava)
    expect(source.runs).toBe(1)
    expect(await cache.get('users:1')).toEqual({ name: 'Ava', since: ava.since.toISOString() })
  })

  it('gives what a hit gives for what it has just loaded, and what the loader returned where that does not fit', async () => {
    const found = nextEvent(cache, 'error')
    const wrong = { name: 5, since: ava.since } as unknown as typeof ava
    expect(await users.getOrSet('wrong', () => wrong)).toBe(wrong)
    expect((await found).error).toMatchObject({ key: 'users:wrong', code: 'invalid-value' })
    expect(await users.getOrSetMany(['many', 'wrong too'], () => [ava, wrong])).toEqual([ava, wrong])
    expect(await users.getOrSetMany(['many'], () => [wrong])).toEqual([ava])
    expect(await users.getOrSet('skipped', ({ skip }) => skip(ava))).toBe(ava)
  })

  it('hands out primitives as a hit will, too, and what is skipped as it is', async () => {
    const dates = cache.namespace('dates', { schema: z.coerce.date() })
    const date = new Date(0)
    expect(await dates.getOrSet('1', () => date)).toEqual(date)
    const again = dates.getOrSet('1', ({ previous, notModified }) => (previous ? notModified() : date), {
      force: true,
    })
    expect(await again).toEqual(date)
    const [many] = await dates.getOrSetMany(['1'], (_, { notModified }) => [notModified('1') as Date], {
      force: true,
    })
    expect(many).toEqual(date)
    const names = cache.namespace('names', { schema: z.string().trim() })
    expect(await names.getOrSet('1', () => ' Ava ')).toBe('Ava')
    expect(await names.getOrSet('2', ({ skip }) => skip(' Ava '))).toBe(' Ava ')
    expect(await names.getOrSetMany(['2'], (_, { skip }) => [skip(' Ava ')])).toEqual([' Ava '])
  })

  it('looks whether another process has replaced what does not fit and is held here', async () => {
    await using polling = new PostgresCache({ connectionString, notifications: 'poll' })
    const heard = polling.namespace('users', { schema: userSchema })
    await storeOld('1', '2')
    await polling.sync()
    await held(polling, 'users:1')
    await held(polling, 'users:2')
    await users.setMany([
      ['1', ava],
      ['2', ava],
    ])
    const unwanted = (): never => {
      throw new Error('unwanted')
    }
    expect(await heard.getOrSet('1', unwanted)).toEqual(ava)
    expect(await heard.getOrSetMany(['2'], unwanted)).toEqual([ava])
  })

  it('loads again those of many that do not fit', async () => {
    await users.set('1', ava)
    await storeOld('2', '4')
    const asked: (readonly string[])[] = []
    const load = (missing: readonly string[]): User[] => {
      asked.push(missing)
      return missing.map((name) => ({ name, since: ava.since }))
    }
    const found = await users.getOrSetMany(['4', '3', '1', '2'], load)
    expect(found.map((user) => user?.name)).toEqual(['4', '3', 'Ava', '2'])
    expect(asked).toEqual([['3'], ['4', '2']])
  })

  it('hands no previous value to a loader that does not fit', async () => {
    await storeOld('1')
    const seen: unknown[] = []
    await users.getOrSet('1', ({ previous }) => (seen.push(previous), ava), { force: true })
    await users.getOrSet('1', ({ previous }) => (seen.push(previous), ava), { force: true })
    expect(seen).toEqual([undefined, ava])
  })

  it('does not hand out what is stale and does not fit where a loader fails', async () => {
    const down = new Error('source is down')
    for (const key of ['1', '2']) {
      await cache.set(`users:${key}`, { name: 'old' }, { grace: '1h' })
      await cache.expire(`users:${key}`)
    }
    await expect(users.getOrSet('1', () => Promise.reject(down), { grace: '1h' })).rejects.toBe(down)
    await expect(users.getOrSetMany(['2'], () => Promise.reject(down), { grace: '1h' })).rejects.toBe(down)
  })

  it('refuses what is no schema, and one that needs a promise', async () => {
    expect(() => cache.namespace('users', { schema: {} as never })).toThrow('Expected `schema` to be')
    const slow: StandardSchema = {
      '~standard': { version: 1, vendor: 'test', validate: async (value) => ({ value }) },
    }
    await cache.set('slow:1', 1)
    await expect(cache.namespace('slow', { schema: slow }).get('1')).rejects.toMatchObject({
      code: 'invalid-option',
      option: 'schema',
    })
  })

  it('of a NullCache misses everything', async () => {
    const none = new NullCache().namespace('users', { schema: userSchema })
    expect(await none.get('1')).toBeUndefined()
    expect(await none.getOrSet('1', () => ava)).toEqual(ava)
  })
})

describe('defaults of a namespace', () => {
  const ttlOf = async (key: string): Promise<number> => (await cache.getEntry(key))?.ttl ?? 0

  it('give way to what a call says, and not to undefined', async () => {
    const hours = cache.namespace('hours', { ttl: '1h', jitter: 0 })
    await hours.set('undefined', 1, { ttl: undefined })
    await hours.set('given', 1, { ttl: '1m' })
    await hours.getOrSet('loaded', () => 1, { ttl: undefined, jitter: undefined })
    expect(await ttlOf('hours:undefined')).toBeGreaterThan(3_590_000)
    expect(await ttlOf('hours:given')).toBeLessThanOrEqual(60_000)
    expect(await ttlOf('hours:loaded')).toBeGreaterThan(3_590_000)
  })

  it('are those of the namespace around it, where it says nothing', async () => {
    const inner = cache.namespace('outer', { ttl: '1h', tags: ['outer'] }).namespace('inner', { ttl: '2h' })
    await inner.set('1', 1)
    expect(await cache.getEntry('outer:inner:1')).toMatchObject({ tags: ['outer'] })
    expect(await ttlOf('outer:inner:1')).toBeGreaterThan(7_190_000)
  })

  it('are refused at once where they are wrong or contradict each other', () => {
    for (const owner of [cache, new NullCache(), cache.namespace('outer')]) {
      expect(() => owner.namespace('a', { ttl: 0 })).toThrow('ttl')
      expect(() => owner.namespace('a', { revalidate: 'background' })).toThrow('grace')
      expect(() => owner.namespace('a', { softTimeout: 10 })).toThrow('grace')
      expect(() => owner.namespace('a', { tll: '5m' } as never)).toThrow('did you mean `ttl`?')
    }
  })
})
