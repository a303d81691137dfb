import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { Latch } from '../latch.ts'
import { nextEvent } from '../next-event.ts'

const database = await createDatabase()
const connectionString = database.url
const sql = (text: string, params: unknown[] = []): Promise<unknown> => database.query(text, params)

type Interference = (
  key: string,
  caches: { loading: PostgresCache; other: PostgresCache },
) => Promise<unknown>

/** What may happen to a key while it is loaded, and what is found under it afterwards. */
const INTERFERENCES: Record<string, { happens: Interference; after?: string }> = {
  'invalidated by another client': { happens: (key, { other }) => other.invalidate(key) },
  'invalidated by the same client': { happens: (key, { loading }) => loading.invalidate(key) },
  'deleted by another client': { happens: (key, { other }) => other.delete(key) },
  'deleted by the same client': { happens: (key, { loading }) => loading.delete(key) },
  'overwritten by another client': { happens: (key, { other }) => other.set(key, 'set'), after: 'set' },
  'overwritten by the same client': { happens: (key, { loading }) => loading.set(key, 'set'), after: 'set' },
  'overwritten and deleted again': {
    happens: async (key, { other }) => {
      await other.set(key, 'set')
      await other.delete(key)
    },
  },
  'invalidated by its prefix': { happens: (key, { other }) => other.deleteByPrefix(key.slice(0, 5)) },
  'cleared with all others': { happens: (_, { other }) => other.clear() },
  'invalidated by its tag': { happens: (key) => sql('select postgres_cache.invalidate_tags($1)', [key]) },
  'invalidated by SQL': { happens: (key) => sql('select postgres_cache.invalidate($1)', [key]) },
  'set and deleted by SQL': {
    happens: async (key, { other }) => {
      await other.set(key, 'set')
      await sql('delete from postgres_cache.entries where key = $1', [key])
    },
  },
  'set and truncated by SQL': {
    happens: async (key, { other }) => {
      await other.set(key, 'set')
      await sql('truncate postgres_cache.entries')
    },
  },
  'set, expired and pruned': {
    happens: async (key, { other }) => {
      await other.set(key, 'set')
      await other.expire(key)
      await other.prune()
    },
  },
}

/** Neither where it was loaded, nor anywhere else, nor later. */
async function expectEverywhere(
  key: string,
  value: unknown,
  caches: readonly PostgresCache[],
): Promise<void> {
  for (const each of caches) {
    expect(await each.get(key)).not.toBe('loaded')
    expect(await each.get(key, { fresh: true })).toBe(value)
    await each.sync()
    expect(await each.get(key)).toBe(value)
    expect((await each.getEntry(key))?.value).toBe(value)
  }
}

/** After a commit that no local cache has caused: within maxStaleness, or when asked to look. */
async function expectGone(key: string, caches: readonly PostgresCache[]): Promise<void> {
  for (const each of caches) {
    expect(await each.get(key, { fresh: true })).toBeUndefined()
    await each.sync()
    expect(await each.get(key)).toBeUndefined()
  }
}

describe.each(['listen', 'poll'] as const)(
  'with notifications: %s, a value whose key was',
  (notifications) => {
    const loading = new PostgresCache({ connectionString, notifications })
    const other = new PostgresCache({ connectionString, notifications })
    const caches = { loading, other }
    afterAll(() => Promise.all([loading.close(), other.close()]))

    describe.each(Object.entries(INTERFERENCES))('%s', (name, { happens, after }) => {
      it.each(['nothing', 'something stale'])(
        'while it was loaded over %s is handed to its caller and never served',
        async (before) => {
          const key = `while ${notifications} ${name} ${before}`
          if (before !== 'nothing') {
            await other.set(key, 'old', { ttl: '1h', grace: '1h', tags: [key] })
            await other.expire(key)
          }
          const stored = nextEvent(loading, 'loaded')
          const value = await loading.getOrSet(
            key,
            async () => {
              await happens(key, caches)
              return 'loaded'
            },
            { tags: [key] },
          )
          expect(value).toBe('loaded')
          expect(await stored).toMatchObject({ key, stored: false })
          await expectEverywhere(key, after, [loading, other])
        },
      )
    })
  },
)

describe('an invalidation in a transaction', () => {
  const cache = new PostgresCache({ connectionString })
  const other = new PostgresCache({ connectionString })
  const client = new Client({ connectionString })
  beforeAll(() => client.connect())
  afterAll(() => Promise.all([cache.close(), other.close(), client.end()]))

  const APPENDS: Record<string, string> = {
    'of the key': `select postgres_cache.invalidate($1)`,
    'of a tag': `select postgres_cache.invalidate_tags($1)`,
    'of a prefix': `select postgres_cache.invalidate_prefix($1)`,
  }

  it.each(Object.entries(APPENDS))(
    '%s that began before a load and commits after it voids what was loaded',
    async (name, append) => {
      const key = `around ${name}`
      await client.query('begin')
      await client.query(append, [key])
      expect(await cache.getOrSet(key, () => 'loaded', { tags: [key] })).toBe('loaded')
      // Until the commit nothing has happened.
      expect(await other.get(key)).toBe('loaded')
      await client.query('commit')
      await expectGone(key, [cache, other])
    },
  )

  it.each(Object.entries(APPENDS))('%s that is rolled back changes nothing', async (name, append) => {
    const key = `rolled back ${name}`
    await client.query('begin')
    await client.query(append, [key])
    await cache.getOrSet(key, () => 'loaded', { tags: [key] })
    await client.query('rollback')
    await cache.sync()
    expect(await cache.get(key)).toBe('loaded')
    expect(await other.get(key, { fresh: true })).toBe('loaded')
  })

  it.each(Object.entries(APPENDS))(
    '%s that begins and commits while the loader runs voids what was loaded',
    async (name, append) => {
      const key = `within ${name}`
      const load = cache.getOrSet(
        key,
        async () => {
          await client.query('begin')
          await client.query(append, [key])
          await client.query('commit')
          return 'loaded'
        },
        { tags: [key] },
      )
      expect(await load).toBe('loaded')
      await expectEverywhere(key, undefined, [cache, other])
    },
  )

  it('that began before a load and commits while its loader runs voids what was loaded', async () => {
    const key = 'into'
    await client.query('begin')
    await client.query('select postgres_cache.invalidate($1)', [key])
    const load = cache.getOrSet(key, async () => {
      await client.query('commit')
      return 'loaded'
    })
    expect(await load).toBe('loaded')
    await expectEverywhere(key, undefined, [cache, other])
  })

  it('that began before a load and deletes the stale row by SQL voids what was loaded', async () => {
    const key = 'row'
    await cache.set(key, 'old', { ttl: '1h', grace: '1h' })
    await cache.expire(key)
    await client.query('begin')
    await client.query('delete from postgres_cache.entries where key = $1', [key])
    const load = cache.getOrSet(key, () => 'loaded')
    // The fill waits for the row, for a moment.
    const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
    await expect.poll(async () => (await database.query(waiting)).length, { interval: 5 }).toBe(1)
    await client.query('commit')
    expect(await load).toBe('loaded')
    await expectGone(key, [cache, other])
  })
})

describe('a load that began before another one ended', () => {
  it('does not put its older value in the place of the newer', async () => {
    await using slow = new PostgresCache({ connectionString, lockTimeout: 20 })
    await using fast = new PostgresCache({ connectionString, lockTimeout: 20 })
    const begun = new Latch()
    const latch = new Latch()
    const older = slow.getOrSet('order', async () => {
      begun.open()
      await latch.opened
      return 'older'
    })
    await begun.opened
    // Between the two loads something is committed, so that their snapshots differ.
    await fast.set('something else', 1)
    expect(await fast.getOrSet('order', () => 'newer')).toBe('newer')
    latch.open()
    expect(await older).toBe('older')
    await expectEverywhere('order', 'newer', [slow, fast])
  })
})
