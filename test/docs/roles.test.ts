// What `postgres-cache sql --roles` prints: when it can be run, by whom, and what it covers.

import { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { RELATION_NAMES } from '../../src/postgres/objects.ts'
import { RIGHTS } from '../../src/postgres/rights.ts'
import { runCommand } from '../run-command.ts'
import {
  createEmpty,
  migrate,
  nameRoles,
  printRoles,
  setPasswords,
  setUp,
  urlFor,
  use,
} from './role-set-up.ts'

describe('the SQL', () => {
  it('gives the application what later migrations create, and can be run again', async () => {
    const database = await createEmpty()
    const { sql, ownerUrl, connectionString } = await setUp(database)
    const owner = new Client(ownerUrl)
    await owner.connect()
    await owner.query(
      'create table postgres_cache.later as select 1 as n; create sequence postgres_cache.later_seq',
    )
    await owner.end()
    const client = new Client(connectionString)
    await client.connect()
    await client.query(`update postgres_cache.later set n = nextval('postgres_cache.later_seq')`)
    await client.end()
    await database.admin.query(sql)
    await using cache = new PostgresCache({ connectionString, migrate: false, pruneInterval: 20 })
    expect(await use(cache)).toEqual([])
  })

  it('is enough before the first migration, too, if nobody runs it again', async () => {
    const database = await createEmpty()
    const roles = nameRoles(database)
    // Where nothing is everybody's to call.
    await database.query('alter default privileges revoke execute on functions from public')
    await database.admin.query(await printRoles(roles))
    await setPasswords(database, roles)
    await migrate(urlFor(database, roles.owner))
    const connectionString = urlFor(database, roles.application)
    await using cache = new PostgresCache({ connectionString, migrate: false, pruneInterval: 20 })
    expect(await use(cache)).toEqual([])
  })

  it('gives the right to execute where everybody has lost it', async () => {
    const database = await createEmpty()
    const { sql, connectionString } = await setUp(database)
    await database.query('revoke execute on all functions in schema postgres_cache from public')
    await database.admin.query(sql)
    await using cache = new PostgresCache({ connectionString, migrate: false, pruneInterval: 20 })
    expect(await use(cache)).toEqual([])
  })

  it('needs no superuser: one that may create roles and schemas runs it', async () => {
    const database = await createEmpty()
    const roles = nameRoles(database)
    const administrator = `${database.name} administrator`
    const quoted = database.admin.escapeIdentifier(administrator)
    await database.query(`create role ${quoted} login createrole password 'secret'`)
    await database.query(
      `grant create on database ${database.admin.escapeIdentifier(database.name)} to ${quoted}`,
    )
    const client = new Client(urlFor(database, administrator))
    await client.connect()
    const sql = await printRoles(roles)
    await client.query(sql)
    await setPasswords(database, roles)
    await migrate(urlFor(database, roles.owner))
    await client.query(sql)
    await client.end()
    const connectionString = urlFor(database, roles.application)
    {
      await using cache = new PostgresCache({ connectionString, migrate: false, pruneInterval: 20 })
      expect(await use(cache)).toEqual([])
    }
    await database.query(`drop owned by ${quoted} cascade`)
    await database.query(`drop role ${quoted}`)
  })

  it('goes with what `drop` removes, the schema too', async () => {
    const database = await createEmpty()
    const { ownerUrl } = await setUp(database)
    expect(await runCommand({ DATABASE_URL: ownerUrl }, 'drop', '--yes')).toMatchObject({ code: 0 })
    expect(await database.query(`select nspname from pg_namespace where nspname = 'postgres_cache'`)).toEqual(
      [],
    )
  })

  it('refuses a schema that another role has installed', async () => {
    const database = await createEmpty()
    await PostgresCache.migrate({ connectionString: database.ownerUrl })
    const sql = await printRoles(nameRoles(database))
    await expect(database.admin.query(sql)).rejects.toThrow('name it with --owner')
    await database.query('rollback')
  })

  it('decides about every table, view and sequence', async () => {
    expect(Object.keys(RIGHTS).toSorted()).toEqual([...RELATION_NAMES].toSorted())
  })

  it('prints no password, and refuses what makes no sense', async () => {
    const roles = { owner: 'o', application: 'a' }
    expect(await printRoles(roles)).not.toMatch(/password '/)
    for (const args of [
      ['--roles', '--owner', 'same', '--application', 'same'],
      ['--roles', '--owner', ''],
      ['--roles', '--channel', 'c'],
      ['--owner', 'o'],
    ])
      expect((await runCommand({}, 'sql', ...args)).code).toBe(2)
  })
})
