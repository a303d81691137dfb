// The database of a run: created, furnished, and dropped in the end.

import { randomBytes } from 'node:crypto'
import { PostgresCache } from 'postgres-cache'
import { Client } from 'pg'
import { WATCH } from './keys.ts'
import { NAIVE_SQL } from './naive-cache.ts'
import { seedSource, SOURCE_SQL } from './source.ts'

/** What the snapshots process reads beside harness.truth. */
const CACHED_SQL = {
  naive: 'create view harness.cached as select key, value from harness.naive_entries',
  // Expired entries too: expiry says nothing about whether they were right.
  fenced: 'create view harness.cached as select key, value from postgres_cache.valid_entries',
}

export interface HarnessDatabase extends AsyncDisposable {
  readonly url: string
  readonly serverVersion: string
  /** Deadlocks that the server has resolved in this database. */
  readonly deadlocks: () => Promise<number>
}

export async function createHarnessDatabase(
  serverUrl: string,
  { naive }: { readonly naive: boolean },
): Promise<HarnessDatabase> {
  const name = `postgres_cache_harness_${randomBytes(4).toString('hex')}`
  await onServer(serverUrl, `create database "${name}" template template0`)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  const client = new Client({ connectionString: url.href, application_name: 'harness' })
  const drop = async (): Promise<void> => {
    await client.end()
    await onServer(serverUrl, `drop database "${name}" with (force)`)
  }
  try {
    await client.connect()
    await client.query(SOURCE_SQL)
    await seedSource(client)
    if (naive) await client.query(NAIVE_SQL)
    else await installCache(url.href)
    await client.query(CACHED_SQL[naive ? 'naive' : 'fenced'])
    // Unnoticed until statistics exist, the planner would scan these tables whole.
    await client.query('analyze')
    const { rows } = await client.query<{ server_version: string }>('show server_version')
    return {
      url: url.href,
      serverVersion: rows[0]?.server_version ?? '',
      deadlocks: () => countDeadlocks(client),
      [Symbol.asyncDispose]: drop,
    }
  } catch (error) {
    await drop()
    throw error
  }
}

async function installCache(url: string): Promise<void> {
  await using cache = new PostgresCache({ connectionString: url, notifications: 'poll' })
  await cache.connect()
  await cache.watch('harness.watched', WATCH)
}

async function countDeadlocks(client: Client): Promise<number> {
  const { rows } = await client.query<{ deadlocks: number }>(
    'select deadlocks::integer from pg_stat_database where datname = current_database()',
  )
  return rows[0]?.deadlocks ?? 0
}

async function onServer(url: string, sql: string): Promise<void> {
  const client = new Client(url)
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
