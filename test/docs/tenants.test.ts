// A schema and a role for each tenant, as docs/security.md has it: what that keeps apart, and what it does not.

import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import { type CacheOptions, PostgresCache } from '../../src/index.ts'
import { renderRoles } from '../../src/schema.ts'
import { createDatabase } from '../database.ts'
import { atEndOfFile } from '../end-of-file.ts'

const database = await createDatabase({ asApplication: false })

interface Tenant {
  readonly options: CacheOptions & { schema: string }
  readonly cache: PostgresCache
}

async function createTenant(): Promise<Tenant> {
  const schema = `tenant_${randomBytes(4).toString('hex')}`
  const [owner] = await database.query<{ name: string }>('select current_user as name')
  await PostgresCache.migrate({ connectionString: database.url, schema, notifyChannel: schema })
  await database.admin.query(renderRoles({ schema }, { owner: owner?.name ?? '', application: schema }))
  await database.query(`alter role ${schema} password 'secret'`)
  const url = new URL(database.url)
  url.username = schema
  url.password = 'secret'
  const options = { connectionString: url.href, schema, notifyChannel: schema, migrate: false }
  const cache = new PostgresCache(options)
  atEndOfFile(async () => {
    await cache.close()
    await database.query(`drop owned by ${schema}`)
    await database.query(`drop role ${schema}`)
  })
  return { options, cache }
}

let a: Tenant
let b: Tenant
beforeAll(async () => {
  a = await createTenant()
  b = await createTenant()
})

/** A client of the tenant's own, without the library. */
async function clientOf({ options }: Tenant): Promise<Client> {
  const client = new Client(options.connectionString)
  await client.connect()
  atEndOfFile(() => client.end())
  return client
}

describe('with a schema and a role for each tenant', () => {
  it('the same key is two entries, without a failure that reads would hide', async () => {
    const failures: unknown[] = []
    for (const { cache } of [a, b]) cache.on('error', ({ error }) => failures.push(error))
    await a.cache.set('user:1', 'of a')
    await b.cache.set('user:1', 'of b')
    await b.cache.clear()
    await b.cache.set('user:2', 'of b')
    expect(await a.cache.getMany(['user:1', 'user:2'], { fresh: true })).toEqual(['of a', undefined])
    expect(await b.cache.getMany(['user:1', 'user:2'], { fresh: true })).toEqual([undefined, 'of b'])
    expect(await a.cache.getOrSet('loaded', () => 1)).toBe(1)
    expect(failures).toEqual([])
  })

  it('none can open the cache of another', async () => {
    await using intruder = new PostgresCache({ ...a.options, connectionString: b.options.connectionString })
    await expect(intruder.connect()).rejects.toMatchObject({ code: 'permission-denied' })
  })

  it('nor read, write or invalidate there by SQL', async () => {
    await a.cache.set('user:1', 'of a')
    const client = await clientOf(b)
    const { schema } = a.options
    const refusalOf = (statement: string): Promise<unknown> =>
      client.query(statement).then(
        () => 'allowed',
        (error: { code: string }) => error.code,
      )
    for (const statement of [
      `select * from ${schema}.entries`,
      `select * from ${schema}.live_entries`,
      `select * from ${schema}.feed`,
      `select ${schema}.get('user:1')`,
      `select ${schema}.set('user:1', '"of b"')`,
      `select ${schema}.invalidate('user:1')`,
      `select ${schema}.settle_world()`,
      `insert into ${schema}.invalidations (target) values ('kuser:1')`,
      `truncate ${schema}.entries`,
      `drop schema ${schema} cascade`,
      `grant usage on schema ${schema} to current_user`,
    ])
      expect([statement, await refusalOf(statement)]).toEqual([statement, '42501'])
    expect(await a.cache.get('user:1', { fresh: true })).toBe('of a')
  })

  it('may listen to the other, and hears keys and tags, but no value', async () => {
    const client = await clientOf(b)
    const heard: string[] = []
    client.on('notification', ({ payload = '' }) => heard.push(payload))
    await client.query(`listen ${a.options.notifyChannel}`)
    const overwrite = async (): Promise<string> => {
      await a.cache.set('whose key', 'whose value')
      await client.query('select')
      return heard.join('\n')
    }
    await expect.poll(overwrite).toContain('whose key')
    expect(heard.join('\n')).not.toContain('whose value')
  })
})
