import { afterAll, describe, expect, it } from 'vitest'
import { type Codec, PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { held } from '../held.ts'
import { nextEvent } from '../next-event.ts'

const { url: connectionString, query } = await createDatabase()
const writer = new PostgresCache({ connectionString })
const reader = new PostgresCache({ connectionString, local: false })
afterAll(() => Promise.all([writer.close(), reader.close()]))

/** From the local cache of who wrote it, from the store, and as getEntry shows it. */
async function roundTrips(key: string): Promise<unknown[]> {
  return [await held(writer, key), await reader.get(key), (await reader.getEntry(key))?.value]
}

const text = (bytes: string): Uint8Array => Buffer.from(bytes)

const SAME: Record<string, unknown> = {
  null: null,
  true: true,
  false: false,
  zero: 0,
  'a fraction': -0.1,
  'the largest safe integer': Number.MAX_SAFE_INTEGER,
  'the largest number': Number.MAX_VALUE,
  'an empty string': '',
  'a string that looks like null': 'null',
  'a string of every kind': `'"\\%_\t\n\r\u0000\u{1F600}\u00e9\u2028$$\u0007{}`,
  'half a surrogate pair': '\ud83d',
  'an empty array': [],
  'an empty object': {},
  'a tree': { list: [1, 'two', null, [{ deep: { deeper: [true] } }]], '': 'empty name', 'a b"c': 1 },
  'a long string': 'x'.repeat(100_000),
}

describe('a value', () => {
  it.each(Object.entries(SAME))('comes back as it was: %s', async (name, value) => {
    await writer.set(name, value)
    expect(await roundTrips(name)).toEqual([value, value, value])
  })

  it('that is null is a value, and only undefined is a miss', async () => {
    await writer.set('nothing', null)
    expect(await reader.get('nothing')).toBeNull()
    expect(await reader.has('nothing')).toBe(true)
    expect(await reader.getMany(['nothing', 'missing'])).toEqual([null, undefined])
    expect(await reader.get('missing')).toBeUndefined()
    expect(await reader.has('missing')).toBe(false)
    expect(await reader.getOrSet('nothing', () => 'loaded')).toBeNull()
  })

  it('follows JSON where JSON has no word for it', async () => {
    const value = {
      undefined,
      list: [undefined, Number.NaN, Infinity],
      date: new Date(0),
      map: new Map([['a', 1]]),
    }
    await writer.set('json', value)
    const expected = { list: [null, null, null], date: '1970-01-01T00:00:00.000Z', map: {} }
    expect(await roundTrips('json')).toEqual([expected, expected, expected])
    expect(Object.keys((await held(writer, 'json')) as object)).not.toContain('undefined')
  })

  it.each([
    ['a Buffer', Buffer.from([0, 1, 127, 128, 255])],
    ['a Uint8Array', new Uint8Array([0, 255, 92, 120])],
    ['a view into a larger buffer', new Uint8Array(Uint8Array.from([9, 1, 2, 3, 9]).buffer, 1, 3)],
    ['no bytes at all', new Uint8Array()],
    ['bytes that look like JSON', text('{"a":1}')],
  ])('that is %s comes back as a Buffer of the same bytes', async (name, value) => {
    await writer.set(name, value)
    for (const bytes of await roundTrips(name)) {
      expect(bytes).toBeInstanceOf(Buffer)
      expect(bytes).toEqual(Buffer.from(value))
    }
  })

  it('belongs to whoever read it: changing it changes nobody else’s', async () => {
    const original = { list: [1] }
    await writer.set('owned', original)
    original.list.push(2)
    const mine = (await held(writer, 'owned')) as { list: number[] }
    mine.list.push(3)
    expect(await roundTrips('owned')).toEqual([{ list: [1] }, { list: [1] }, { list: [1] }])
  })

  it('of JSON is readable and writable by SQL', async () => {
    await writer.set('profile', { name: 'Ava', tags: ['a'] })
    const [row] = await query<{ name: string }>(
      `select value::json ->> 'name' as name from postgres_cache.entries where key = 'profile'`,
    )
    expect(row?.name).toBe('Ava')
  })
})

describe('a codec of one’s own', () => {
  const upperCase: Codec<string> = {
    id: 'upper-case',
    encode: (value) => String(value).toUpperCase(),
    decode: (stored) => String(stored).toLowerCase(),
  }
  const reversed: Codec<number[]> = {
    id: 'reversed',
    encode: (value) => Uint8Array.from(value as number[]).toReversed(),
    decode: (stored) => [...(stored as Uint8Array)].toReversed(),
  }

  it.each([
    ['text', upperCase, 'MiXed', 'mixed'],
    ['bytes', reversed, [1, 2, 3], [1, 2, 3]],
  ])(
    'encodes to %s and decodes from it, in the local cache and in the store',
    async (_, codec, value, back) => {
      await using own = new PostgresCache({ connectionString, codec })
      await using other = new PostgresCache({ connectionString, codec, local: false })
      await own.set('coded', value)
      expect(await held(own, 'coded')).toEqual(back)
      expect(await other.get('coded')).toEqual(back)
      expect(await other.getOrSet('coded', () => 'loaded')).toEqual(back)
    },
  )

  it('leaves bytes to the cache', async () => {
    await using own = new PostgresCache({ connectionString, codec: upperCase })
    await own.set('raw', text('MiXed'))
    expect(await own.get('raw', { fresh: true })).toEqual(Buffer.from('MiXed'))
    expect(await reader.get('raw')).toEqual(Buffer.from('MiXed'))
  })

  it('reads what JSON wrote', async () => {
    await using own = new PostgresCache({ connectionString, codec: upperCase })
    await reader.set('plain', { a: 1 })
    expect(await own.get('plain')).toEqual({ a: 1 })
  })

  describe.each(['clone', 'freeze', 'share'] as const)(
    'that a reader does not have, with values: %s',
    (values) => {
      it('makes the entry a miss and an error event, in every way of reading', async () => {
        await using own = new PostgresCache({ connectionString, codec: upperCase })
        await using stranger = new PostgresCache({ connectionString, local: { values } })
        await own.set('foreign', 'value')

        const heard = nextEvent(stranger, 'error')
        expect(await stranger.get('foreign')).toBeUndefined()
        expect(await heard).toMatchObject({ operation: 'decode', error: { code: 'invalid-value' } })

        expect(await stranger.get('foreign')).toBeUndefined()
        expect(stranger.peek('foreign')).toBeUndefined()
        expect(await stranger.has('foreign')).toBe(false)
        expect(await stranger.getMany(['foreign', 'nobody'])).toEqual([undefined, undefined])
        expect(await stranger.getEntry('foreign')).toBeUndefined()
        for await (const entry of stranger.entries({ prefix: 'foreign' })) expect.fail(entry.key)
        expect(stranger.stats().errors).toBeGreaterThan(1)
      })

      it('lets getOrSet load and replace it', async () => {
        await using own = new PostgresCache({ connectionString, codec: upperCase })
        await using stranger = new PostgresCache({ connectionString, local: { values } })
        await own.set('foreign', 'value')
        expect(await stranger.get('foreign')).toBeUndefined()
        expect(await stranger.getOrSet('foreign', () => 'mine')).toBe('mine')
        expect(await stranger.get('foreign', { fresh: true })).toBe('mine')
      })
    },
  )

  it.each(['clone', 'freeze'] as const)(
    'that throws while decoding makes the entry a miss, with values: %s',
    async (values) => {
      const broken: Codec = {
        id: 'broken',
        encode: () => 'whatever',
        decode: () => {
          throw new Error('unreadable')
        },
      }
      await using own = new PostgresCache({ connectionString, codec: broken, local: { values } })
      await own.set('unreadable', 1)
      expect(await own.get('unreadable')).toBeUndefined()
      expect(await own.getOrSet('unreadable', () => 2)).toBe(2)
    },
  )
})
