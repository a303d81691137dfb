// A fresh, empty database for each test file, which must leave no session of ours behind in it.
// With TEST_ROLE=application it is not empty: the cache is installed there by its owner, and the address is that of a role which owns nothing
// and has the rights that `postgres-cache sql --roles` gives.

import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Client, type QueryResultRow } from 'pg'
import { inject } from 'vitest'
import type { CacheOptions } from '../src/index.ts'
import { atEndOfFile } from './end-of-file.ts'
import { type CacheRoles, createRoles, dropRoles, installFor } from './roles.ts'

export interface TestDatabase extends AsyncDisposable {
  readonly name: string
  /** Of who uses the cache. */
  readonly url: string
  /** Of who may install, migrate and drop. Without TEST_ROLE it is the same. */
  readonly ownerUrl: string
  /** Installs a cache as its owner, for the use of `url`. Only those with another schema or prefix need it. */
  readonly install: (options?: CacheOptions) => Promise<void>
  /** A connection of the tests' own to the database, as a superuser. */
  readonly admin: Client
  /** Runs a statement on `admin` and resolves to its rows. */
  readonly query: <Row extends QueryResultRow>(sql: string, params?: readonly unknown[]) => Promise<Row[]>
  /** Drops the database, and rejects if sessions of ours were still open. It happens by itself after the file. */
  readonly drop: () => Promise<void>
}

const RUNS_AS_APPLICATION = process.env['TEST_ROLE'] === 'application'
const APPLICATION_NAME = 'postgres-cache'
// A backend is seen in pg_stat_activity until it has noticed that its client is gone.
const LEAVE_PATIENCE_MS = 2_000
const POLL_MS = 10

/** Lives until the test file ends or it is disposed of. With `isInstalled: false` there is no cache in it in any case. */
export async function createDatabase({
  isInstalled = true,
  asApplication = RUNS_AS_APPLICATION,
} = {}): Promise<TestDatabase> {
  const name = inject('databasePrefix') + randomBytes(4).toString('hex')
  await onServer(`create database "${name}" template template0`)
  const adminUrl = withDatabase(inject('serverUrl'), name)
  const admin = new Client({ connectionString: adminUrl, application_name: 'test' })
  await admin.connect()

  const roles = asApplication ? await createRoles(admin, adminUrl) : null
  const install = (options: CacheOptions = {}): Promise<void> =>
    roles === null ? migrate(adminUrl, options) : installFor(roles, admin, options)
  if (roles !== null && isInstalled) await install()

  let dropped: Promise<void> | undefined
  const drop = (): Promise<void> => (dropped ??= dropDatabase(name, admin, roles))
  // Whoever dropped it has been told of the sessions left.
  atEndOfFile(async () => {
    if (!dropped) await drop()
  })
  return {
    name,
    admin,
    query: async (sql, params = []) => (await admin.query(sql, [...params])).rows,
    url: roles?.application.url ?? adminUrl,
    ownerUrl: roles?.owner.url ?? adminUrl,
    install,
    drop,
    [Symbol.asyncDispose]: drop,
  }
}

async function migrate(connectionString: string, options: CacheOptions): Promise<void> {
  const { migrateSchema } = await import('../src/schema.ts')
  await migrateSchema({ ...options, connectionString })
}

async function dropDatabase(name: string, admin: Client, roles: CacheRoles | null): Promise<void> {
  const leaked = await sessionsLeft(admin)
  await admin.end()
  await onServer(`drop database "${name}" with (force)`)
  if (roles !== null) await dropRoles(roles, onServer)
  if (leaked.length > 0) {
    throw new Error(`sessions left behind (${leaked.length}):\n${leaked.map(describeSession).join('\n')}`)
  }
}

interface Session {
  readonly pid: number
  readonly application_name: string
  readonly state: string | null
  readonly query: string
}

async function sessionsLeft(admin: Client): Promise<Session[]> {
  const deadline = Date.now() + LEAVE_PATIENCE_MS
  for (;;) {
    const { rows } = await admin.query<Session>(
      `select pid, application_name, state, query from pg_stat_activity
       where datname = current_database() and starts_with(application_name, $1) and pid <> pg_backend_pid()`,
      [APPLICATION_NAME],
    )
    if (rows.length === 0 || Date.now() > deadline) return rows
    await delay(POLL_MS)
  }
}

function describeSession({ pid, application_name, state, query }: Session): string {
  return `  ${application_name} (${pid}), ${state}, last statement: ${query}`
}

async function onServer(sql: string): Promise<void> {
  const client = new Client(inject('serverUrl'))
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url)
  changed.pathname = `/${name}`
  return changed.href
}
