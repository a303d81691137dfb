// One PostgreSQL server for a whole run of the tests, from DATABASE_URL or embedded.

import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import type { TestProject } from 'vitest/node'
import { usePostgres } from '../scripts/database-url.ts'

declare module 'vitest' {
  interface ProvidedContext {
    readonly serverUrl: string
    /** What the names of this run's databases begin with. */
    readonly databasePrefix: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const postgres = await usePostgres()
  const databasePrefix = `postgres_cache_test_${randomBytes(4).toString('hex')}_`
  project.provide('serverUrl', postgres.url)
  project.provide('databasePrefix', databasePrefix)

  return async () => {
    await dropLeftOvers(postgres.url, databasePrefix)
    await postgres.stop()
  }
}

/** Test files drop their own; this is for those whose process ended before it came to that. */
async function dropLeftOvers(serverUrl: string, prefix: string): Promise<void> {
  const client = new Client(serverUrl)
  await client.connect()
  const left = await client.query<{ datname: string }>(
    'select datname from pg_database where starts_with(datname, $1)',
    [prefix],
  )
  for (const { datname } of left.rows) await client.query(`drop database "${datname}" with (force)`)
  const roles = await client.query<{ rolname: string }>(
    'select rolname from pg_roles where starts_with(rolname, $1)',
    [prefix],
  )
  for (const { rolname } of roles.rows) await client.query(`drop role "${rolname}"`)
  await client.end()
}
