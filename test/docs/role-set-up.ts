// The two roles of `postgres-cache sql --roles`, set up as docs/operations.md has it, and the use that is made of a cache then.

import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { expect, inject } from 'vitest'
import type { PostgresCache } from '../../src/index.ts'
import { createDatabase, type TestDatabase } from '../database.ts'
import { atEndOfFile } from '../end-of-file.ts'
import { type Outcome, runCommand } from '../run-command.ts'

export interface Roles {
  readonly owner: string
  readonly application: string
}

/** Names of roles, which all databases of a server share. They go after the database. */
export function nameRoles(database: TestDatabase): Roles {
  const suffix = randomBytes(2).toString('hex')
  const roles = {
    owner: `${database.name} "owner" ${suffix}`,
    application: `${database.name}'s app ${suffix}`,
  }
  atEndOfFile(async () => {
    const client = new Client(inject('serverUrl'))
    await client.connect()
    await database.drop().catch(() => {})
    for (const role of Object.values(roles))
      await client.query(`drop role if exists ${client.escapeIdentifier(role)}`)
    await client.end()
  })
  return roles
}

export const printRoles = async (
  { owner, application }: Roles,
  ...args: readonly string[]
): Promise<string> => {
  const { stdout, stderr } = await runCommand(
    {},
    'sql',
    '--roles',
    '--owner',
    owner,
    '--application',
    application,
    ...args,
  )
  if (stderr !== '') throw new Error(stderr)
  return stdout
}

export async function setPasswords(database: TestDatabase, roles: Roles): Promise<void> {
  for (const role of Object.values(roles))
    await database.query(`alter role ${database.admin.escapeIdentifier(role)} password 'secret'`)
}

export function urlFor(database: TestDatabase, role: string): string {
  const url = new URL(database.url)
  url.username = encodeURIComponent(role)
  url.password = 'secret'
  return url.href
}

export const migrate = (url: string, ...args: readonly string[]): Promise<Outcome> =>
  runCommand({ DATABASE_URL: url }, 'migrate', ...args)

/** As docs/operations.md has it; both addresses. */
export async function setUp(
  database: TestDatabase,
  ...args: readonly string[]
): Promise<Roles & { sql: string; ownerUrl: string; connectionString: string }> {
  const roles = nameRoles(database)
  const sql = await printRoles(roles, ...args)
  await database.admin.query(sql)
  await setPasswords(database, roles)
  const ownerUrl = urlFor(database, roles.owner)
  expect(await migrate(ownerUrl, ...args)).toMatchObject({ code: 0, stderr: '' })
  await database.admin.query(sql)
  return { ...roles, sql, ownerUrl, connectionString: urlFor(database, roles.application) }
}

export const createEmpty = (): Promise<TestDatabase> =>
  createDatabase({ asApplication: false, isInstalled: false })

/** Everything that a cache does; resolves to the failures that reads would hide. */
export async function use(cache: PostgresCache): Promise<unknown[]> {
  const failures: unknown[] = []
  cache.on('error', ({ error }) => failures.push(error))
  const swept = new Promise((resolve) => cache.on('swept', resolve))
  await cache.connect()
  await cache.clear()
  await cache.setMany([
    ['a', 1],
    ['b', 2],
  ])
  expect(await cache.getMany(['a', 'b'], { fresh: true })).toEqual([1, 2])
  expect(await cache.getOrSet('c', () => 3, { tags: ['t'] })).toBe(3)
  expect(await cache.increment('a')).toBe(2)
  expect(await cache.add('d', 4)).toBe(true)
  expect(await cache.take('d')).toBe(4)
  expect(await cache.touch('a', '1h')).toBe(true)
  expect(await cache.expire('a')).toBe(true)
  expect(await cache.delete('b')).toBe(true)
  await cache.invalidateTags('t')
  await cache.deleteByPrefix('x')
  await cache.prune()
  await cache.sync()
  expect(await cache.has('c')).toBe(false)
  await swept
  return failures
}
