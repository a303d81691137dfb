// The servers that a run needs: those that DATABASE_URL and VALKEY_URL name, else ones of our own.

import { totalmem } from 'node:os'
import { startPostgres } from '../../scripts/embedded-postgres.ts'
import type { ServerKind } from '../contenders.ts'
import { findValkeyProgram, startValkey } from './valkey-server.ts'

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
    const postgres = kinds.has('postgres') ? await openPostgres() : undefined
    return { ...(postgres && { postgres }), ...(valkey && { valkey }) }
  } catch (error) {
    await valkey?.stop()
    throw error
  }
}

export async function closeServers(servers: Servers): Promise<void> {
  await Promise.all(Object.values(servers).map((server) => server.stop()))
}

async function openPostgres(): Promise<Server> {
  const given = process.env['DATABASE_URL']
  if (given) return givenServer(given)
  const server = await startPostgres({ settings: POSTGRES_SETTINGS })
  const settings = Object.entries(POSTGRES_SETTINGS)
    .map(([name, value]) => `${name} = ${value}`)
    .join(', ')
  return { url: server.url, ownPid: server.pid, settings, stop: () => server.stop() }
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
