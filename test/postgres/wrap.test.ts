import { afterAll, describe, expect, it } from 'vitest'
import { NullCache, PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'

const { url: connectionString } = await createDatabase()
const cache = new PostgresCache({ connectionString })
afterAll(() => cache.close())

/** A function that counts its calls. */
function counted(): { fn: (id: number, locale: string) => Promise<string>; calls: () => number } {
  let calls = 0
  const fn = async (id: number, locale: string): Promise<string> => `${id} ${locale}, call ${++calls}`
  return { fn, calls: () => calls }
}

const key = (id: number, locale: string): string => `page:${locale}:${id}`

describe('a wrapped function', () => {
  it('is called once for the arguments of one key', async () => {
    const { fn, calls } = counted()
    const page = cache.wrap(fn, { key, ttl: '1h', tags: ['pages'] })
    expect(await Promise.all([page(1, 'en'), page(1, 'en')])).toEqual(['1 en, call 1', '1 en, call 1'])
    expect(await page(1, 'de')).toBe('1 de, call 2')
    expect(await page(1, 'en')).toBe('1 en, call 1')
    expect(calls()).toBe(2)
    expect(await cache.getEntry('page:en:1')).toMatchObject({ value: '1 en, call 1', tags: ['pages'] })
  })

  it('is called again after invalidate, for these arguments', async () => {
    const { fn } = counted()
    const page = cache.wrap(fn, { key })
    await page(2, 'en')
    await page(2, 'de')
    await page.invalidate(2, 'en')
    expect(await page(2, 'en')).toBe('2 en, call 3')
    expect(await page(2, 'de')).toBe('2 de, call 2')
  })

  it('is called at once by refresh, and what it returns is stored', async () => {
    const { fn } = counted()
    const page = cache.wrap(fn, { key })
    await page(3, 'en')
    expect(await page.refresh(3, 'en')).toBe('3 en, call 2')
    expect(await page(3, 'en')).toBe('3 en, call 2')
  })

  it('rejects with what the function throws, and with what is wrong about a key', async () => {
    const failing = cache.wrap(() => Promise.reject(new Error('down')), { key: () => 'failing' })
    await expect(failing()).rejects.toThrow('down')
    const nameless = cache.wrap(async (name: string) => name, { key: (name) => name })
    await expect(nameless('')).rejects.toMatchObject({ code: 'invalid-key' })
    await expect(nameless.invalidate('')).rejects.toMatchObject({ code: 'invalid-key' })
  })

  it('needs a function, and a function for the key', () => {
    expect(() => cache.wrap('no function' as never, { key: () => 'k' })).toThrow('Expected `fn` to be')
    expect(() => cache.wrap(async () => 1, { key: 'k' as never })).toThrow('Expected `key` to be')
  })

  it('of a namespace has its keys and defaults; of a NullCache it is always called', async () => {
    const pages = cache.namespace('pages', { tags: ['of the namespace'] })
    const page = pages.wrap(counted().fn, { key })
    await page(4, 'en')
    expect(await cache.getEntry('pages:page:en:4')).toMatchObject({ tags: ['of the namespace'] })
    const { fn, calls } = counted()
    const plain = new NullCache().wrap(fn, { key })
    await plain(1, 'en')
    await plain.refresh(1, 'en')
    await plain.invalidate(1, 'en')
    expect(calls()).toBe(2)
  })
})
