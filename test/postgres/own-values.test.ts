import { afterAll, describe, expect, it } from 'vitest'
import {
  type CacheError,
  type CacheOptions,
  type Codec,
  compressed,
  NullCache,
  PostgresCache,
} from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { Latch } from '../latch.ts'

const database = await createDatabase()
const connectionString = database.url
const cache = new PostgresCache({ connectionString })
const plain = new PostgresCache({ connectionString, local: false })
afterAll(() => Promise.all([cache.close(), plain.close()]))

interface Listed {
  readonly list: number[]
}

const load = async (): Promise<Listed> => ({ list: [1] })

/** What three callers of one load are given, after each has changed what it was given before the next looks. */
async function share<T>(get: () => Promise<T>, change: (value: T) => void): Promise<readonly T[]> {
  return Promise.all(
    [get(), get(), get()].map(async (asked) => {
      const value = await asked
      const seen = structuredClone(value)
      change(value)
      return seen
    }),
  )
}

const shareList = (get: () => Promise<Listed>): Promise<readonly Listed[]> =>
  share(get, ({ list }) => list.push(2))
const OWN = [1, 2, 3].map(() => ({ list: [1] }))
const OWN_BYTES = [1, 2, 3].map(() => new Uint8Array(Buffer.from('own')))

describe('callers that share a load get values of their own', () => {
  it('where the loader has made it', async () => {
    for (const each of [cache, plain]) {
      const key = each === cache ? 'loaded' : 'loaded past the local cache'
      expect(await shareList(() => each.getOrSet(key, load))).toEqual(OWN)
      const many = (): Promise<Listed> =>
        each.getOrSetMany([`${key}, many`], async () => [{ list: [1] }]).then(([value]) => value as Listed)
      expect(await shareList(many)).toEqual(OWN)
      expect(await each.get(key)).toEqual({ list: [1] })
    }
  })

  it('where the store has it, fresh or stale', async () => {
    await plain.set('stored', { list: [1] })
    expect(await shareList(() => plain.getOrSet('stored', load))).toEqual(OWN)
    await plain.set('stale', { list: [1] }, { ttl: 1, grace: '1h' })
    await expect.poll(async () => (await plain.getEntry('stale'))?.stale, { interval: 1 }).toBe(true)
    const down = (): Promise<Listed> => Promise.reject(new Error('down'))
    expect(await shareList(() => plain.getOrSet('stale', down, { grace: '1h' }))).toEqual(OWN)
  })

  it('of bytes, and with a codec whose values are views of what is stored', async () => {
    const wipe = (bytes: Buffer): void => void bytes.fill(0)
    const views: Codec<Buffer> = {
      id: 'views',
      bytes: 'encoded',
      encode: (value) => value as Buffer,
      decode: (stored) => stored as Buffer,
    }
    await using viewing = new PostgresCache({ connectionString, codec: views, local: false })
    for (const each of [cache, viewing]) {
      const key = each === cache ? 'bytes' : 'views'
      const get = (): Promise<Buffer> => each.getOrSet(key, async () => Buffer.from('own'), { local: false })
      // What such a codec encodes is a view, too: of what the loader has made.
      if (each === cache) expect(await share(get, wipe)).toEqual(OWN_BYTES)
      else await get()
      expect(await share(get, wipe)).toEqual(OWN_BYTES)
    }
  })
})

describe('what was just loaded is what a hit gives', () => {
  const date = new Date(0)
  const made = (): unknown => ({ date, left: undefined, nan: Number.NaN })
  const stored = { date: date.toJSON(), nan: null }

  it.each(['clone', 'freeze', 'share'] as const)('with values: %s', async (values) => {
    await using own = new PostgresCache({ connectionString, local: { values } })
    for (const key of ['date', 'none stored before']) {
      const loaded = await own.getOrSet(`${values} ${key}`, made)
      expect(loaded).toStrictEqual(stored)
      expect(Object.isFrozen(loaded)).toBe(values === 'freeze')
      expect(await own.getOrSet(`${values} ${key}`, made)).toStrictEqual(stored)
    }
    expect(await own.getOrSetMany([`${values} many`], () => [made()])).toStrictEqual([stored])
  })

  it('without the server, too', async () => {
    await using gone = new PostgresCache({ connectionString: 'postgres://127.0.0.1:1/none' })
    expect(await gone.getOrSet('date', made)).toStrictEqual(stored)
  })

  it('and is the caller’s own where it is too large to be stored, too', async () => {
    await using small = new PostgresCache({ connectionString, maxValueBytes: 10 })
    const [one, two] = await Promise.all([small.getOrSet('large', made), small.getOrSet('large', made)])
    expect([one, two]).toStrictEqual([stored, stored])
    expect(one).not.toBe(two)
    expect(await small.get('large')).toBeUndefined()
  })

  it('and is returned as it was made where it is too large for the codec', async () => {
    const options = { connectionString, codec: compressed({ maxBytes: 10 }) }
    await using small = new PostgresCache(options)
    const refusals: CacheError[] = []
    small.on('error', ({ error }) => refusals.push(error))
    expect(await small.getOrSet('bulky', made)).toStrictEqual(made())
    expect(await small.getOrSetMany(['bulky'], () => [made()])).toStrictEqual([made()])
    expect(await small.get('bulky')).toBeUndefined()
    const refusal = expect.objectContaining({
      code: 'value-too-large',
      key: 'bulky',
      option: 'maxBytes',
      message:
        'Cannot store the value of key "bulky": more than `maxBytes` of compressed() when decompressed, 10',
    })
    expect(refusals).toEqual([refusal, refusal])
    await expect(small.set('bulky', made())).rejects.toEqual(refusal)
    await using none = new NullCache(options)
    expect(await none.getOrSet('bulky', made)).toStrictEqual(made())
  })

  it('and `previous` is the loader’s own to change', async () => {
    await using own = new PostgresCache({ connectionString, local: { values: 'freeze' } })
    await own.set('counted', { count: 1 })
    const count = own.getOrSet<{ count: number }>(
      'counted',
      ({ previous }) => {
        if (previous !== undefined) previous.count++
        return previous ?? { count: 0 }
      },
      { force: true },
    )
    expect(await count).toEqual({ count: 2 })
  })

  it('and not where the loader says that it is not to be stored', async () => {
    expect(await cache.getOrSet('skipped date', ({ skip }) => skip(made()))).toStrictEqual(made())
  })
})

describe('callers that share a load get one value', () => {
  const same = async (options: CacheOptions, key: string, skips: boolean): Promise<boolean> => {
    await using own = new PostgresCache({ connectionString, ...options })
    const latch = new Latch()
    const get = (): Promise<Listed> =>
      own.getOrSet(key, async ({ skip }) => {
        await latch.opened
        const value = { list: [1] }
        return skips ? skip(value) : value
      })
    const asked = [get(), get()]
    latch.open()
    const [one, two] = await Promise.all(asked)
    return one === two
  }

  it('where values are shared, or it is not stored', async () => {
    expect(await same({ local: { values: 'share' } }, 'shared', false)).toBe(true)
    expect(await same({}, 'skipped', true)).toBe(true)
    expect(await same({}, 'cloned', false)).toBe(false)
  })
})
