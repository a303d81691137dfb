import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { NullCache, PostgresCache } from '../../src/index.ts'
import { collect } from '../collect.ts'
import { createDatabase } from '../database.ts'

const { url: connectionString } = await createDatabase()
const cache = new PostgresCache({ connectionString })
afterAll(() => cache.close())
beforeEach(() => cache.clear())

describe('a namespace', () => {
  it('keeps its keys under a prefix, and shows them without', async () => {
    const users = cache.namespace('users', { ttl: '1h', tags: ['people'] })
    await users.set('1', 'Ava')
    expect(await cache.get('users:1')).toBe('Ava')
    expect(await users.get('1')).toBe('Ava')
    expect(await users.getEntry('1')).toMatchObject({ key: '1', tags: ['people'] })
    expect(await collect(users.keys())).toEqual(['1'])
    expect(await users.getOrSet('2', ({ key }) => `loaded ${key}`)).toBe('loaded 2')
    expect(await users.getMany(['1', '2', '3'])).toEqual(['Ava', 'loaded 2', undefined])
    expect((await users.getEntry('2'))?.ttl).toBeGreaterThan(3_400_000) // less jitter
  })

  it('is cleared in one go, nested ones with it, and nothing else', async () => {
    const outer = cache.namespace('a')
    const inner = outer.namespace('b')
    await cache.setMany([
      ['a', 'beside'],
      ['ab:1', 'beside'],
    ])
    await outer.set('1', 'outer')
    await inner.set('1', 'inner')
    expect(await cache.get('a:b:1')).toBe('inner')
    await inner.clear()
    expect([await inner.get('1'), await outer.get('1')]).toEqual([undefined, 'outer'])
    await inner.set('1', 'again')
    await outer.clear()
    expect([await inner.get('1'), await outer.get('1')]).toEqual([undefined, undefined])
    expect(await cache.getMany(['a', 'ab:1'])).toEqual(['beside', 'beside'])
  })

  it('cannot be escaped by what its parent clears', async () => {
    const users = cache.namespace('users')
    await users.set('1', 1)
    await cache.clear()
    expect(await users.get('1')).toBeUndefined()
  })

  it('refuses empty keys and names with a separator', async () => {
    await expect(cache.namespace('users').set('', 1)).rejects.toMatchObject({ code: 'invalid-key' })
    expect(() => cache.namespace('a:b')).toThrow(/name/)
    expect(() => cache.namespace('')).toThrow(/name/)
  })

  it('refuses defaults that no call could have', () => {
    const refused = expect.objectContaining({ code: 'invalid-option', option: 'loadTimeout' })
    const slow = { ttl: '1h', loadTimeout: '31s' } as const
    expect(() => cache.namespace('users', slow)).toThrow(refused)
    expect(() => cache.namespace('users').namespace('admins', slow)).toThrow(refused)
    expect(() => new NullCache().namespace('users', slow)).toThrow(refused)
    expect(() => new NullCache({ loadTimeout: '1m' }).namespace('users', slow)).not.toThrow()
  })

  it('of a NullCache is as harmless', async () => {
    const users = new NullCache().namespace('users')
    await users.set('1', 1)
    expect(await users.get('1')).toBeUndefined()
  })
})

describe('tags', () => {
  it('list and invalidate what carries them, whatever its number', async () => {
    await cache.setMany(
      Array.from({ length: 1_500 }, (_, i) => ({ key: `k${i}`, value: i, tags: ['all', `half${i % 2}`] })),
    )
    expect(await collect(cache.keys({ tag: 'half1' }))).toHaveLength(750)
    await cache.invalidateTags(['half1'])
    expect(await collect(cache.keys({ tag: 'all' }))).toHaveLength(750)
    expect(await cache.getMany(['k0', 'k1'])).toEqual([0, undefined])
    await cache.invalidateTags('all')
    expect(await collect(cache.keys())).toEqual([])
    await cache.set('k0', 'new', { tags: ['all'] })
    expect(await cache.get('k0')).toBe('new')
  })
})
