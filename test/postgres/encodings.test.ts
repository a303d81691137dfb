// Databases that are not in UTF-8, or do not sort by code point.

import { expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase, type TestDatabase } from '../database.ts'

interface Elsewhere extends AsyncDisposable {
  readonly connectionString: string
}

/** Belongs to the owner, who installs there. */
async function createBeside({ name, ownerUrl, query }: TestDatabase, how: string): Promise<Elsewhere> {
  const beside = `${name}_beside`
  const address = new URL(ownerUrl)
  await query(`create database "${beside}" template template0 ${how}`)
  if (address.username !== '') await query(`alter database "${beside}" owner to "${address.username}"`)
  address.pathname = `/${beside}`
  return {
    connectionString: address.href,
    [Symbol.asyncDispose]: async () => void (await query(`drop database "${beside}" with (force)`)),
  }
}

// Before PostgreSQL 15 a database sorts as the operating system does, which has no other order everywhere.
it('a batch locks its rows in the order of every other kind, however the database sorts', async ({
  skip,
}) => {
  await using database = await createDatabase()
  const [server] = await database.query(`select current_setting('server_version_num')::integer as version`)
  if (server?.['version'] < 150_000) skip()
  await using icu = await createBeside(
    database,
    `locale_provider icu icu_locale 'en' locale 'C' encoding 'UTF8'`,
  )
  await using cache = new PostgresCache({ connectionString: icu.connectionString })
  await cache.setMany(['a', 'B', 'c', 'D'].map((key) => [key, key]))
  const { default: pg } = await import('pg')
  const client = new pg.Client(icu)
  await client.connect()
  const { rows } = await client.query('select key from postgres_cache.entries order by ctid')
  await client.end()
  expect(rows.map(({ key }) => key)).toEqual(['B', 'D', 'a', 'c'])
})

it('a database in LATIN1 takes what it can hold, and a key that it cannot fails by itself', async () => {
  await using database = await createDatabase()
  await using latin = await createBeside(database, `encoding 'LATIN1' locale 'C'`)
  await using cache = new PostgresCache(latin)
  const sets = await Promise.allSettled([
    cache.set('é', 'ü'),
    cache.set('→', 'no such key'),
    cache.set('no such value', '→'),
    cache.set('plain', 1),
  ])
  expect(sets.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled'])
  expect(sets[1]).toMatchObject({ reason: { code: 'query-failed' } })
  const reads = ['é', '→', 'no such value', 'plain'].map((key) => cache.get(key, { fresh: true }))
  expect(await Promise.all(reads)).toEqual(['ü', undefined, undefined, 1])
  const loads = ['é', '→', 'new'].map((key) => cache.getOrSet(key, () => 'loaded'))
  expect(await Promise.all(loads)).toEqual(['ü', 'loaded', 'loaded'])
  expect(await cache.get('new', { fresh: true })).toBe('loaded')
})
