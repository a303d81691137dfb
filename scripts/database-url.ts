// Where tests, demo and benchmarks find their database: DATABASE_URL where it is set, else an embedded server.

import { type PostgresMajor, type PostgresServerOptions, startPostgres } from './embedded-postgres.ts'

export interface Postgres extends AsyncDisposable {
  readonly url: string
  /** Ends the server if it is ours. */
  readonly stop: () => Promise<void>
}

/** `options.major` defaults to the environment's POSTGRES_MAJOR, else 18. */
export async function usePostgres(options: PostgresServerOptions = {}): Promise<Postgres> {
  const url = process.env['DATABASE_URL']
  if (url) return { url, stop: nothing, [Symbol.asyncDispose]: nothing }

  const server = await startPostgres({ major: majorFromEnvironment(), ...options })
  return { url: server.url, stop: () => server.stop(), [Symbol.asyncDispose]: () => server.stop() }
}

/** POSTGRES_MAJOR, else 18. */
export function majorFromEnvironment(): PostgresMajor {
  const major = Number(process.env['POSTGRES_MAJOR'] ?? 18)
  if (major === 14 || major === 18) return major
  throw new Error(`Expected POSTGRES_MAJOR to be 14 or 18, got \`${process.env['POSTGRES_MAJOR']}\``)
}

async function nothing(): Promise<void> {}
