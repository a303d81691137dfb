// The two roles that `postgres-cache sql --roles` sets up, one pair for a database: the owner, who is no superuser, and the application.

import type { Client } from 'pg'
import type { CacheOptions } from '../src/index.ts'

export interface Role {
  readonly name: string
  readonly url: string
}

export interface CacheRoles {
  readonly owner: Role
  readonly application: Role
}

/** Named after the database of `url`. Both may use what `admin` creates in it: the tables of a service. */
export async function createRoles(admin: Client, url: string): Promise<CacheRoles> {
  const database = new URL(url).pathname.slice(1)
  const roles = { owner: roleOf(`${database}_owner`, url), application: roleOf(`${database}_app`, url) }
  for (const { name } of Object.values(roles))
    await admin.query(`create role "${name}" login password 'secret'`)
  const { owner, application } = roles
  await admin.query(`grant create on database "${database}" to "${owner.name}"`)
  await admin.query(`grant create on schema public to "${owner.name}", "${application.name}"`)
  for (const kind of ['tables', 'schemas'])
    await admin.query(
      `alter default privileges grant all on ${kind} to "${owner.name}", "${application.name}"`,
    )
  return roles
}

/** Installs a cache as its owner and gives the application its rights, both with the SQL that the command prints. */
export async function installFor(roles: CacheRoles, admin: Client, options: CacheOptions): Promise<void> {
  // Not before: tests may have to prepare what is imported.
  const { migrateSchema, renderRoles } = await import('../src/schema.ts')
  const sql = renderRoles(options, { owner: roles.owner.name, application: roles.application.name })
  await admin.query(sql)
  await migrateSchema({ ...options, connectionString: roles.owner.url })
  await admin.query(sql)
}

export async function dropRoles(roles: CacheRoles, onServer: (sql: string) => Promise<void>): Promise<void> {
  for (const { name } of Object.values(roles)) await onServer(`drop role "${name}"`)
}

function roleOf(name: string, databaseUrl: string): Role {
  const url = new URL(databaseUrl)
  url.username = name
  url.password = 'secret'
  return { name, url: url.href }
}
