// A fresh, empty database for each test file, which must leave no session of ours behind in it.
// With TEST_ROLE=application it is not empty: the cache is installed there, and its address is that of a role which owns
// nothing and has the rights that docs/operations.md grants. Only files that need no ownership can run so.

import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Client, type QueryResultRow } from 'pg'
import { inject } from 'vitest'
import { blocksOf, readPage } from './docs/markdown.ts'
import { atEndOfFile } from './end-of-file.ts'

export interface TestDatabase extends AsyncDisposable {
  readonly name: string
  readonly url: string
  /** A connection of the tests' own to the database. */
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

/** Lives until the test file ends or it is disposed of. */
export async function createDatabase(): Promise<TestDatabase> {
  const name = inject('databasePrefix') + randomBytes(4).toString('hex')
  await onServer(`create database "${name}" template template0`)
  const ownerUrl = withDatabase(inject('serverUrl'), name)
  const admin = new Client({ connectionString: ownerUrl, application_name: 'test' })
  await admin.connect()
  const url = RUNS_AS_APPLICATION ? await installFor(name, ownerUrl, admin) : ownerUrl

  let dropped: Promise<void> | undefined
  const drop = (): Promise<void> => (dropped ??= dropDatabase(name, admin))
  // Whoever dropped it has been told of the sessions left.
  atEndOfFile(async () => {
    if (!dropped) await drop()
  })
  return {
    name,
    url,
    admin,
    query: async (sql, params = []) => (await admin.query(sql, [...params])).rows,
    drop,
    [Symbol.asyncDispose]: drop,
  }
}

/** Resolves to the address for a role of the database's own name. */
async function installFor(role: string, ownerUrl: string, admin: Client): Promise<string> {
  // Not before: tests without this role may have to prepare what is imported.
  const { PostgresCache } = await import('../src/index.ts')
  await PostgresCache.migrate({ connectionString: ownerUrl })
  const grants = blocksOf(readPage('docs/operations.md')).find(({ code }) =>
    code.includes('create role app '),
  )
  if (grants === undefined) throw new Error('docs/operations.md grants nothing to a role app')
  await admin.query(grants.code.replaceAll(/\bapp\b/g, `"${role}"`))
  const url = new URL(ownerUrl)
  url.username = role
  url.password = encodeURIComponent('change me')
  return url.href
}

async function dropDatabase(name: string, admin: Client): Promise<void> {
  const leaked = await sessionsLeft(admin)
  await admin.end()
  await onServer(`drop database "${name}" with (force)`)
  if (RUNS_AS_APPLICATION) await onServer(`drop role "${name}"`)
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
