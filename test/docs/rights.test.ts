// The owner, no superuser, installs; the application uses the cache and may do nothing else to it.

import { randomUUID } from 'node:crypto'
import { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { toCacheError } from '../../src/postgres/failures.ts'
import { RIGHTS } from '../../src/postgres/rights.ts'
import { atEndOfFile } from '../end-of-file.ts'
import { runAs } from '../run-as.ts'
import { runCommand } from '../run-command.ts'
import { createEmpty, migrate, setUp, use } from './role-set-up.ts'

/** As above, with lease rows and the face for SQL; resolves to the first failure's code, if there is one. */
async function failureOfAll(connectionString: string): Promise<string | undefined> {
  const options = { connectionString, migrate: false, local: false } as const
  await using cache = new PostgresCache({ ...options, pruneInterval: 10 })
  await using polling = new PostgresCache({ ...options, notifications: 'poll' })
  const codes: string[] = []
  const failed = new Promise<void>((resolve) => {
    for (const each of [cache, polling]) each.on('error', ({ error }) => resolve(void codes.push(error.code)))
  })
  const work = async (): Promise<void> => {
    await use(cache)
    await polling.getOrSet('leased', () => 5, { tags: ['t'] })
    await polling.delete('leased')
    // Leases that fail are done without.
    const lease = `'key', '${randomUUID()}'`
    await runAs(connectionString, `select postgres_cache.acquire_lease(${lease}, 1000)`)
    await runAs(connectionString, `select postgres_cache.release_lease(${lease})`)
    await runAs(connectionString, `select postgres_cache.get('a')`)
  }
  await Promise.race([failed, work()]).catch((error: Error) => codes.push(toCacheError(error, 'use').code))
  return codes[0]
}

describe('the application', () => {
  it.each([[], ['--schema', `it's "odd"`, '--prefix', 'eu_']])(
    'uses the cache that the owner has installed, %s %s',
    async (...args) => {
      const database = await createEmpty()
      const { connectionString } = await setUp(database, ...args)
      const [schema = 'postgres_cache', schemaPrefix = ''] = args.filter((_, i) => i % 2 === 1)
      const options = { connectionString, schema, schemaPrefix, migrate: false }
      await using cache = new PostgresCache({ ...options, pruneInterval: 20 })
      expect(await use(cache)).toEqual([])
      await using polling = new PostgresCache({ ...options, notifications: 'poll' })
      expect(await polling.getOrSet('leased', () => 5)).toBe(5)
    },
  )

  it('uses it in its own transactions, and lets others write what it watches', async () => {
    const database = await createEmpty()
    const { connectionString, application } = await setUp(database)
    await database.query('create table source (id integer)')
    await database.query(`grant insert, trigger on source to ${database.admin.escapeIdentifier(application)}`)
    await using cache = new PostgresCache({ connectionString, migrate: false })
    await cache.watch('source', { keys: ['row:{id}'] })
    await cache.setMany([
      ['row:1', 1],
      ['row:2', 1],
      ['a', 1],
    ])
    const client = new Client(connectionString)
    await client.connect()
    await client.query('begin')
    const cached = await cache.withTransaction(client)
    await cached.set('b', 2)
    await cached.invalidate('a')
    await client.query('insert into source values (1)')
    expect(await cached.get('b')).toBe(2)
    await client.query('commit')
    await client.end()
    const other = `"${database.name} other"` // has no right on the cache
    await database.query(`create role ${other}; grant insert on source to ${other}`)
    await database.query(`set role ${other}; insert into source values (2); reset role`)
    await database.query(`drop owned by ${other}; drop role ${other}`)
    await cache.sync()
    expect(await cache.getMany(['a', 'b', 'row:1', 'row:2'])).toEqual([undefined, 2, undefined, undefined])
    for (const command of ['doctor', 'status', 'prune'])
      expect(await runCommand({ DATABASE_URL: connectionString }, command)).toMatchObject({
        code: 0,
        stderr: '',
      })
  })

  it('is refused everything else', async () => {
    const database = await createEmpty()
    const { connectionString } = await setUp(database)
    const client = new Client(connectionString)
    await client.connect()
    atEndOfFile(() => client.end())
    const refusalOf = (statement: string): Promise<unknown> =>
      client.query(statement).then(
        () => 'allowed',
        (error: { code: string }) => error.code,
      )
    const forbidden = {
      entries: [
        'truncate %',
        'alter table % add x integer',
        'create trigger t before insert on % execute function suppress_redundant_updates_trigger()',
      ],
      invalidations: ['update % set seq = 1', 'truncate %'],
      prefix_invalidations: ['update % set seq = 1', 'truncate %'],
      invalidators: [`insert into % values ('1')`, `update % set txid = '1'`],
      feed: ['insert into % default values', `update % set keys = '{}'`],
      state: ['insert into % (world) values (gen_random_uuid())', 'delete from %', 'truncate %'],
      meta: [`insert into % values (true, 'x', 'logged')`, `update % set channel = 'x'`, 'delete from %'],
      migrations: [`insert into % values (99, 'x', true)`, 'update % set breaking = false', 'delete from %'],
      settled_state: ['update % set hand = 1', 'delete from %'],
      hint_gate: [`select setval('%', 1)`, `select nextval('%')`, 'select * from %'],
      seq: [`select setval('%', 1)`],
      tell: [`select %('{}', null, null, null)`],
      hint: [`select %('{}', null, null, null)`],
      entries_updated: [
        'create temporary table own (); create trigger t after insert on own execute function %()',
      ],
    }
    for (const [name, statements] of Object.entries(forbidden)) {
      for (const statement of statements.map((each) => each.replace('%', `postgres_cache.${name}`)))
        expect([statement, await refusalOf(statement)]).toEqual([statement, '42501'])
    }
    for (const statement of ['create table postgres_cache.own ()', 'drop schema postgres_cache cascade'])
      expect([statement, await refusalOf(statement)]).toEqual([statement, '42501'])
    expect((await migrate(connectionString)).stderr).toContain('permission-denied')
    expect((await runCommand({ DATABASE_URL: connectionString }, 'drop', '--yes')).stderr).toContain(
      'permission-denied',
    )
  })

  it('needs all that it has', { timeout: 120_000 }, async () => {
    const database = await createEmpty()
    const { application, connectionString } = await setUp(database)
    const role = database.admin.escapeIdentifier(application)
    const granted = await database.query(
      `select c.relname, a.privilege_type from pg_class as c, aclexplode(c.relacl) as a
       where c.relnamespace = 'postgres_cache'::regnamespace and a.grantee = $1::regrole order by 1, 2`,
      [role],
    )
    expect(granted).toEqual(
      Object.entries(RIGHTS)
        .flatMap(([relname, rights]) =>
          rights.map((right) => ({ relname, privilege_type: right.toUpperCase() })),
        )
        .toSorted((a, b) =>
          `${a.relname} ${a.privilege_type}` < `${b.relname} ${b.privilege_type}` ? -1 : 1,
        ),
    )
    for (const { relname, privilege_type } of granted) {
      const right = `${privilege_type} on postgres_cache.${relname}`
      await database.query(`revoke ${right} from ${role}`)
      expect([right, await failureOfAll(connectionString)]).toEqual([right, 'permission-denied'])
      await database.query(`grant ${right} to ${role}`)
    }
    expect(await failureOfAll(connectionString)).toBeUndefined()

    await database.query(`revoke delete on postgres_cache.feed from ${role}`)
    await database.query(`revoke execute on function postgres_cache.prune() from public, ${role}`)
    const { stdout } = await runCommand({ DATABASE_URL: connectionString }, 'doctor')
    expect(stdout).toMatch(/problem +rights .*lacks delete on feed, execute on prune/)
  })
})
