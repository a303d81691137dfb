// The rights that docs/operations.md names are enough, and no superuser is needed beyond them.

import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase, type TestDatabase } from '../database.ts'
import { atEndOfFile } from '../end-of-file.ts'
import { blocksOf, readPage } from './markdown.ts'

/** Runs the block that creates the role, under a name of its own; roles are shared by all databases of a server. */
async function createRole(database: TestDatabase, role: string): Promise<string> {
  const block = blocksOf(readPage('docs/operations.md')).find(({ code }) =>
    code.includes(`create role ${role} `),
  )
  if (block === undefined) throw new Error(`no block creates the role ${role}`)
  const name = `${role}_${randomBytes(4).toString('hex')}`
  await database.query(block.code.replaceAll(new RegExp(String.raw`\b${role}\b`, 'g'), name))
  atEndOfFile(() => dropRole(database, name))
  const url = new URL(database.url)
  url.username = name
  url.password = encodeURIComponent('change me')
  return url.href
}

async function dropRole(database: TestDatabase, name: string): Promise<void> {
  await database.query(`drop owned by ${name}`)
  await database.query(`drop role ${name}`)
}

describe('a role with the rights of docs/operations.md', () => {
  it('uses a cache that another role has installed, without a failure that reads would hide', async () => {
    const database = await createDatabase()
    await PostgresCache.migrate({ connectionString: database.url })
    const connectionString = await createRole(database, 'app')

    await using cache = new PostgresCache({ connectionString, migrate: false })
    const failures: unknown[] = []
    cache.on('error', ({ error }) => failures.push(error))
    await cache.connect()
    await cache.setMany([
      ['a', 1],
      ['b', 2],
    ])
    expect(await cache.getMany(['a', 'b'], { fresh: true })).toEqual([1, 2])
    expect(await cache.getOrSet('c', () => 3, { tags: ['t'] })).toBe(3)
    expect(await cache.touch('a', '1h')).toBe(true)
    expect(await cache.expire('a')).toBe(true)
    expect(await cache.delete('b')).toBe(true)
    await cache.invalidateTags('t')
    await cache.deleteByPrefix('x')
    await cache.prune()
    await cache.sync()
    expect(await cache.has('c')).toBe(false)
    expect(failures).toEqual([])
  })

  it('uses it in its own transactions', async () => {
    const database = await createDatabase()
    await PostgresCache.migrate({ connectionString: database.url })
    const connectionString = await createRole(database, 'app')
    const client = new Client(connectionString)
    await client.connect()
    await using cache = new PostgresCache({ connectionString, migrate: false })
    await cache.set('a', 1)

    await client.query('begin')
    const cached = await cache.withTransaction(client)
    await cached.set('b', 2)
    await cached.invalidate('a')
    expect(await cached.get('b')).toBe(2)
    await client.query('commit')
    await client.end()
    expect(await cache.getMany(['a', 'b'])).toEqual([undefined, 2])
  })

  it('sweeps when its turn comes', async () => {
    const database = await createDatabase()
    await PostgresCache.migrate({ connectionString: database.url })
    const connectionString = await createRole(database, 'app')
    await using cache = new PostgresCache({ connectionString, migrate: false, pruneInterval: 20 })
    const swept = new Promise((resolve, reject) => {
      cache.on('swept', resolve)
      cache.on('error', ({ error }) => reject(error))
    })
    await cache.connect()
    expect(await swept).toEqual({ removed: 0, evicted: 0 })
  })

  it('installs it', async () => {
    const database = await createDatabase()
    const connectionString = await createRole(database, 'installer')
    const installed = await PostgresCache.migrate({ connectionString })
    expect(installed).toBe(await PostgresCache.schemaVersion({ connectionString }))
  })
})
