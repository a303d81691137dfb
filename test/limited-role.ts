// A role of a test's own, which may use everything that the role of the database's address may, and what the test says of it.

import { randomBytes } from 'node:crypto'
import type { TestDatabase } from './database.ts'

export interface LimitedRole extends AsyncDisposable {
  readonly name: string
  readonly url: string
  /** For example `nologin` or `connection limit 1`. */
  readonly alter: (attributes: string) => Promise<void>
}

/** `attributes` as in CREATE ROLE. With `isOwner: false` it has only the rights of everybody. */
export async function createRole(
  { name: database, url: databaseUrl, query }: TestDatabase,
  { attributes = '', isOwner = true }: { attributes?: string; isOwner?: boolean } = {},
): Promise<LimitedRole> {
  const name = `${database}_${randomBytes(2).toString('hex')}`
  const { username } = new URL(databaseUrl)
  const user = username === '' ? 'current_user' : `'${username}'`
  await query(`create role "${name}" login password 'secret' ${attributes}`)
  if (isOwner) await query(`do $$ begin execute format('grant %I to %I', ${user}, '${name}'); end $$`)
  if (isOwner) await query(`grant create on database "${database}" to "${name}"`)
  const url = new URL(databaseUrl)
  url.username = name
  url.password = 'secret'
  return {
    name,
    url: url.href,
    alter: async (changed) => void (await query(`alter role "${name}" ${changed}`)),
    [Symbol.asyncDispose]: async () => {
      await query(`drop owned by "${name}" cascade`)
      await query(`drop role "${name}"`)
    },
  }
}
