// The recipes of docs/orms.md, as the page has them, in transactions of the libraries themselves. That they compile is for examples.test.ts to see.

import { Client } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { PostgresCache, type TransactionCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { blocksOf, readPage } from './markdown.ts'
import { type Orm, type OrmDatabase, ORMS, type Recipe, TAKEN_AS_IT_IS } from './orm-databases.ts'
import { createUserProject } from './user-project.ts'

const VALUE = { text: `it's "$1" ?`, list: [1, null, { deep: true }] }

const database = await createDatabase()
const connectionString = database.url
const cache = new PostgresCache({ connectionString })
const other = new PostgresCache({ connectionString })
const client = new Client({ connectionString })
await client.connect()
await client.query('create table users (id integer primary key, name text)')
afterAll(() => Promise.all([cache.close(), other.close(), client.end()]))

const blocks = blocksOf(readPage('docs/orms.md')).filter(({ language }) => language === 'ts')
const project = await createUserProject(blocks)

const fresh = (...keys: string[]): Promise<unknown[]> => other.getMany(keys, { fresh: true })
const nameOfUser = async (): Promise<unknown> =>
  (await client.query('select name from users where id = 1')).rows[0]

/** One after the other, as clients want it. */
async function inOrder(keys: readonly string[], cached: TransactionCache): Promise<unknown[]> {
  const values: unknown[] = []
  for (const key of keys) values.push(await cached.get(key))
  return values
}

async function recipeOf(adapter: Orm['adapter']): Promise<Recipe> {
  const isNeeded = adapter !== TAKEN_AS_IT_IS
  const block = blocks.find(({ code }) => code.includes(isNeeded ? `export const ${adapter} = ` : adapter))
  if (block === undefined) throw new Error(`docs/orms.md has no ${adapter}`)
  const exports = (await import(project.moduleOf(block))) as Record<string, unknown>
  const adapt = isNeeded ? exports[adapter] : (tx: unknown) => tx
  return { adapt, renameUser: exports['renameUser'] } as Recipe
}

beforeEach(async () => {
  await client.query(`truncate users; insert into users values (1, 'Ava')`)
  await cache.clear()
  await cache.setMany([
    ['user:1', 'Ava'],
    { key: 'tagged', value: 1, tags: ['users', 'list'] },
    ['deleted', 1],
    ['page:1', 1],
  ])
  await other.sync()
})

it('every recipe of docs/orms.md is covered but that of Prisma', () => {
  const adapters = blocks.flatMap(({ code }) => [...code.matchAll(/export const (from\w+)/g)])
  expect(new Set(adapters.map(([, name]) => name))).toEqual(
    new Set(['fromPrisma', ...ORMS.map(({ adapter }) => adapter).filter((name) => name !== TAKEN_AS_IT_IS)]),
  )
})

describe.each(ORMS)('the recipe for $name', ({ adapter, open }) => {
  let orm: OrmDatabase
  beforeAll(async () => {
    orm = await open(connectionString, await recipeOf(adapter))
  })
  afterAll(() => orm.close())

  it('is used as the page shows: a row and what was cached of it change together', async () => {
    await orm.renameUser(cache, 1, 'Eve')
    expect(await nameOfUser()).toEqual({ name: 'Eve' })
    expect([await cache.get('user:1'), ...(await fresh('user:1', 'deleted'))]).toEqual([
      undefined,
      undefined,
      1,
    ])
  })

  it('shows nothing to others before the commit, and everything after it', async () => {
    const keys = ['user:1', 'tagged', 'deleted', 'page:1', 'value', 'bytes']
    const before = ['Ava', 1, 1, 1, undefined, undefined]
    const after = [undefined, undefined, undefined, undefined, VALUE, Buffer.from([0, 255])]
    await orm.transaction(async ({ like }) => {
      const cached = await cache.withTransaction(like)
      expect(await inOrder(keys, cached)).toEqual(before)
      await cached.invalidate(['user:1', `it's {"quoted", \\ and '?'}`])
      await cached.invalidateTags(['list', 'another'])
      await cached.delete('deleted')
      await cached.deleteByPrefix('page:')
      await cached.set('value', VALUE, { ttl: '1m', grace: '1h', tags: ['a', 'b'] })
      await cached.set('bytes', Buffer.from([0, 255]), { ttl: null })
      expect(await inOrder(keys, cached)).toEqual(after)
      expect(await fresh(...keys)).toEqual(before)
    })
    expect(await cache.getMany(keys)).toEqual(after)
    expect(await fresh(...keys)).toEqual(after)
    expect(await other.getEntry('value')).toMatchObject({ tags: ['a', 'b'] })
  })

  it('takes everything back on rollback', async () => {
    const failure = new Error('rolled back')
    const failed = orm.transaction(async ({ like }) => {
      const cached = await cache.withTransaction(like)
      await cached.invalidate('user:1')
      await cached.invalidateTags('users')
      await cached.set('value', VALUE)
      throw failure
    })
    await expect(failed).rejects.toBe(failure)
    expect(await fresh('user:1', 'tagged', 'value')).toEqual(['Ava', 1, undefined])
    expect(await cache.getMany(['user:1', 'tagged', 'value'])).toEqual(['Ava', 1, undefined])
  })

  it('takes back what was done in a nested transaction that is rolled back, and no more', async () => {
    const failure = new Error('rolled back to the savepoint')
    await orm.transaction(async ({ like, nested }) => {
      const cached = await cache.withTransaction(like)
      await cached.invalidate('user:1')
      await nested(async () => cached.set('value', VALUE))
      const failed = nested(async () => {
        await cached.invalidate('deleted')
        await cached.set('value', 'replaced')
        throw failure
      })
      await expect(failed).rejects.toBe(failure)
      await cached.deleteByPrefix('page:')
    })
    expect(await fresh('user:1', 'value', 'deleted', 'page:1')).toEqual([undefined, VALUE, 1, undefined])
  })

  it('hands on parameters in any order, twice or null, and a question mark in the text', async () => {
    await orm.transaction(async ({ like }) => {
      const text = `select $2::text || '?' as marked, $1::float8::text as number, $2::text as again, $3::text as nothing`
      const result = await like.query(text, [1.5, 'a', null])
      expect([...(Array.isArray(result) ? result : result.rows)]).toEqual([
        { marked: 'a?', number: '1.5', again: 'a', nothing: null },
      ])
    })
  })

  it('is refused outside of a transaction, and once it has ended', async () => {
    const outside = await cache.withTransaction(orm.outside)
    await expect(outside.invalidate('user:1')).rejects.toMatchObject({ code: 'transaction-ended' })

    const kept: TransactionCache[] = []
    await orm.transaction(async ({ like }) => void kept.push(await cache.withTransaction(like)))
    await expect(kept[0]?.invalidate('user:1')).rejects.toThrow(/has ended|already/)
    expect(await fresh('user:1')).toEqual(['Ava'])
  })
})

describe('the functions of the schema', () => {
  it('take a parameter, and what they do commits or rolls back with the transaction', async () => {
    const invalidate = async (): Promise<void> => {
      await client.query('begin')
      await client.query('select postgres_cache.invalidate($1)', ['user:1'])
      await client.query('select postgres_cache.invalidate_tags($1)', ['users'])
    }
    await invalidate()
    await client.query('rollback')
    expect(await fresh('user:1', 'tagged')).toEqual(['Ava', 1])
    await invalidate()
    expect(await fresh('user:1', 'tagged')).toEqual(['Ava', 1])
    await client.query('commit')
    expect(await fresh('user:1', 'tagged')).toEqual([undefined, undefined])
  })
})
