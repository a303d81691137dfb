// The servers that a run needs: those that DATABASE_URL and VALKEY_URL name, else ones of our own.

import { totalmem } from 'node:os'
import { startPostgres } from '../../scripts/embedded-postgres.ts'
import type { ServerKind } from '../contenders.ts'
import { findValkeyProgram, startValkey } from './valkey-server.ts'
import { withPostgres } from './with-postgres.ts'

export interface Server {
  readonly url: string
  /** Whether it was started here: then its settings are known, and what it computes can be read. */
  readonly ownPid: number | undefined
  /** How it was started, for the record. */
  readonly settings: string
  readonly stop: () => Promise<void>
}

export type Servers = { readonly [K in ServerKind]?: Server }

const NO_VALKEY =
  'no Valkey or Redis server: set VALKEY_URL, or put valkey-server or redis-server on the PATH ' +
  '(Debian: apt-get install redis-server; others: https://valkey.io/download)'

const SMALL_POSTGRES =
  "PostgreSQL from npm is compiled for size, which costs it a tenth to a fifth: POSTGRES_BIN names the folder of another one's programs " +
  '(Debian: apt-get install postgresql, then /usr/lib/postgresql/15/bin or alike)'

// As a production server is set where durability counts, but for memory and connections to suit the scenarios.
const POSTGRES_SETTINGS = {
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  max_connections: '1000',
  shared_buffers: `${Math.max(128, Math.round(totalmem() / 1024 ** 2 / 4))}MB`, // the usual quarter
  max_wal_size: '4GB',
}

/** Starts what is wanted. What cannot be had is missing from the result, and `report` says why. */
export async function openServers(
  kinds: ReadonlySet<ServerKind>,
  report: (line: string) => void,
): Promise<Servers> {
  const valkey = kinds.has('valkey') ? await openValkey(report) : undefined
  try {
    const postgres = kinds.has('postgres') ? await openPostgres(report) : undefined
    return { ...(postgres && { postgres }), ...(valkey && { valkey }) }
  } catch (error) {
    await valkey?.stop()
    throw error
  }
}

export async function closeServers(servers: Servers): Promise<void> {
  await Promise.all(Object.values(servers).map((server) => server.stop()))
}

async function openPostgres(report: (line: string) => void): Promise<Server> {
  const { DATABASE_URL, POSTGRES_BIN } = process.env
  if (DATABASE_URL) return givenServer(DATABASE_URL)
  if (!POSTGRES_BIN) report(SMALL_POSTGRES)
  const server = await startPostgres({
    settings: POSTGRES_SETTINGS,
    ...(POSTGRES_BIN && { binDirectory: POSTGRES_BIN }),
  })
  const settings = [
    `${POSTGRES_BIN ? 'of POSTGRES_BIN' : 'from npm'}, compiled with ${await optimisationOf(server.url)}`,
    ...Object.entries(POSTGRES_SETTINGS).map(([name, value]) => `${name} = ${value}`),
  ].join(', ')
  return { url: server.url, ownPid: server.pid, settings, stop: () => server.stop() }
}

/** The compiler's flag for it, such as -O2. */
async function optimisationOf(url: string): Promise<string> {
  const { rows } = await withPostgres(url, (client) =>
    client.query<{ setting: string }>("select setting from pg_config where name = 'CFLAGS'"),
  )
  // The last one counts.
  return rows[0]?.setting.match(/-O\w*/g)?.at(-1) ?? 'unknown flags'
}

async function openValkey(report: (line: string) => void): Promise<Server | undefined> {
  const given = process.env['VALKEY_URL']
  if (given) return givenServer(given)
  const program = findValkeyProgram()
  if (program) return startValkey(program)
  report(NO_VALKEY)
  return undefined
}

function givenServer(url: string): Server {
  return { url, ownPid: undefined, settings: 'given, settings unknown', stop: async () => {} }
}
