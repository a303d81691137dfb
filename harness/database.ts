// The database of a run: created, furnished, and dropped in the end.

import { randomBytes } from 'node:crypto'
import { PostgresCache } from 'postgres-cache'
import type { Client } from 'pg'
import type { Plan } from './arguments.ts'
import { connected } from './connected.ts'
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
  { naive, durability }: Pick<Plan, 'naive' | 'durability'>,
): Promise<HarnessDatabase> {
  const name = `postgres_cache_harness_${randomBytes(4).toString('hex')}`
  await onServer(serverUrl, `create database "${name}" template template0`)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  const drop = async (): Promise<void> => {
    await onServer(serverUrl, `drop database "${name}" with (force)`)
  }
  try {
    const serverVersion = await connected(url.href, async (client) => {
      await client.query(SOURCE_SQL)
      await seedSource(client)
      if (naive) await client.query(NAIVE_SQL)
      else await installCache(url.href, durability)
      await client.query(CACHED_SQL[naive ? 'naive' : 'fenced'])
      // Unnoticed until statistics exist, the planner would scan these tables whole.
      await client.query('analyze')
      const { rows } = await client.query<{ server_version: string }>('show server_version')
      return rows[0]?.server_version ?? ''
    })
    return {
      url: url.href,
      serverVersion,
      deadlocks: () => connected(url.href, countDeadlocks),
      [Symbol.asyncDispose]: drop,
    }
  } catch (error) {
    await drop()
    throw error
  }
}

async function installCache(url: string, durability: Plan['durability']): Promise<void> {
  await using cache = new PostgresCache({ connectionString: url, durability, notifications: 'poll' })
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
  await connected(url, (client) => client.query(sql))
}
