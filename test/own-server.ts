// A server of a test's own, for what would disturb other tests: crashes, and settings that need a start.

import { majorFromEnvironment } from '../scripts/database-url.ts'
import { type PostgresServer, startPostgres } from '../scripts/embedded-postgres.ts'

/** Whoever brings a server of their own may be on a platform without an embedded one. */
export const HAS_OWN_SERVERS: boolean = !process.env['DATABASE_URL']

/** Of the major that the run is about. Stop it, or `await using`. */
export function startOwnServer(
  settings: Readonly<Record<string, string>> = {},
  environment: Readonly<Record<string, string>> = {},
): Promise<PostgresServer> {
  return startPostgres({ major: majorFromEnvironment(), settings, environment })
}
