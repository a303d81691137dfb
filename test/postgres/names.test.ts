import { describe, expect, it } from 'vitest'
import { type CacheOptions, PostgresCache } from '../../src/index.ts'
import { removeSchema } from '../../src/schema.ts'
import { collect } from '../collect.ts'
import { createDatabase } from '../database.ts'
import { nextEvent } from '../next-event.ts'
import { runAs } from '../run-as.ts'

// As the owner, who is no superuser.
const database = await createDatabase({ isInstalled: false })
const connectionString = database.ownerUrl

await runAs(connectionString, 'create table source (id integer)')

const HOSTILE: Record<string, string> = {
  quotes: `it's "quoted"`,
  spaces: ' my cache ',
  'dollar quotes': 'a$$b$',
  'the delimiters of function bodies': '$body$$body0$',
  backslashes: 'a\\b\\',
  unicode: 'кэш-🙂',
  'upper case, and a keyword': 'Select',
  dots: 'a.b.c',
  'a placeholder of ours': '{{entries}}',
  'placeholders of others': "%s%I$&$'$1",
  'a comment and a semicolon': '--a;b/*',
}

async function objectsIn(schema: string): Promise<string[]> {
  const rows = await database.query<{ name: string }>(
    `select relname as name from pg_class where relnamespace = (select oid from pg_namespace where nspname = $1)
     union all select proname from pg_proc where pronamespace = (select oid from pg_namespace where nspname = $1)`,
    [schema],
  )
  return rows.map(({ name }) => name)
}

/** Every kind of statement that the library sends. */
async function exercise(options: CacheOptions): Promise<void> {
  await using cache = new PostgresCache(options)
  await using other = new PostgresCache(options)
  await cache.connect()
  await cache.set('a', 1, { tags: ['t'] })
  expect(await other.get('a')).toBe(1)
  const evicted = nextEvent(other, 'evicted')
  await cache.set('a', 2)
  await evicted
  expect(await other.get('a')).toBe(2)
  expect(await cache.getOrSet('b', () => 3)).toBe(3)
  expect(await collect(cache.keys())).toEqual(['a', 'b'])
  expect(await cache.touch('a', '1h')).toBe(true)
  expect(await cache.expire('b')).toBe(true)
  expect(await cache.prune()).toBe(1)
  await cache.deleteByPrefix('a')
  await cache.sync()
  await other.sync()
  expect(await other.get('a')).toBeUndefined()
  await cache.watch('public.source', { tags: ['row:{id}'] })
  expect(await cache.watches()).toHaveLength(1)
  expect(await cache.unwatch('public.source')).toBe(true)
  await using polling = new PostgresCache({ ...options, notifications: 'poll' })
  expect(await polling.getOrSet('c', () => 4)).toBe(4)
  expect(await polling.delete('c')).toBe(true)
}

describe.each(Object.entries(HOSTILE))('a name with %s', (_, name) => {
  it('may be schema, prefix and channel', async () => {
    const prefix = Buffer.byteLength(name) <= 23 ? name : ''
    const options = {
      connectionString,
      schema: name,
      schemaPrefix: prefix,
      notifyChannel: name,
      queryTimeout: '20s', // a busy machine must not make a read miss
    } as const
    await exercise(options)
    expect((await objectsIn(name)).filter((object) => object === `${prefix}entries`)).toHaveLength(1)
    expect(await PostgresCache.schemaIsCurrent(options)).toBe(true)
    await removeSchema(options)
    expect(await objectsIn(name)).toEqual([])
    expect(await database.query('select from pg_namespace where nspname = $1', [name])).toEqual([])
  })

  it('may be in the SQL for migration tools', async () => {
    const options = { connectionString, schema: name, notifyChannel: name, queryTimeout: '20s' } as const
    await runAs(connectionString, PostgresCache.migrationSql(options))
    await using cache = new PostgresCache({ ...options, migrate: false, notifications: 'poll' })
    await cache.set('a', 1)
    expect(await cache.get('a', { fresh: true })).toBe(1)
    await removeSchema(options)
  })
})

describe('two prefixes in one schema', () => {
  const one: CacheOptions = { connectionString, schema: 'shared', schemaPrefix: '' }
  const two: CacheOptions = { connectionString, schema: 'shared', schemaPrefix: 'two_' }

  it('are two caches that share a channel and nothing else', async () => {
    await using first = new PostgresCache(one)
    await using second = new PostgresCache(two)
    await first.set('key', 'first')
    await second.set('key', 'second')
    expect(await first.get('key', { fresh: true })).toBe('first')
    expect(await second.get('key', { fresh: true })).toBe('second')

    // A load of the one is no load of the other.
    let loads = 0
    const load = (): Promise<number> => new Promise((resolve) => setImmediate(resolve, ++loads))
    await Promise.all([first.getOrSet('loaded', load), second.getOrSet('loaded', load)])
    expect(loads).toBe(2)

    await first.clear()
    await second.sync()
    expect(second.stats().evictions).toBe(0)
    expect(await second.get('key')).toBe('second')
    expect(await second.get('key', { fresh: true })).toBe('second')
    expect(await first.get('key', { fresh: true })).toBeUndefined()
  })

  it('are dropped one by one', async () => {
    const before = await objectsIn('shared')
    await removeSchema(one)
    const left = await objectsIn('shared')
    expect(left.length).toBe(before.length / 2)
    await using second = new PostgresCache({ ...two, migrate: false })
    expect(await second.get('key')).toBe('second')
    await second.set('key', 'still here')
    expect(await second.delete('key')).toBe(true)
    await second.close()
    await removeSchema(two)
    expect(await objectsIn('shared')).toEqual([])
  })

  it('leave what is not theirs', async () => {
    await PostgresCache.migrate(one)
    await database.query('create table shared.mine (n integer)')
    await database.query(
      'create function shared.entries_of_mine() returns integer language sql as $$ select 1 $$',
    )
    await removeSchema(one)
    expect((await objectsIn('shared')).toSorted()).toEqual(['entries_of_mine', 'mine'])
  })
})
