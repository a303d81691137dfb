// Shows within a minute what the cache does for an application of several processes, and whether it keeps its word.
// `--short` takes half of that. Whatever happens, nothing is left behind.

import { Client } from 'pg'
import { usePostgres } from '../scripts/database-url.ts'
import { Fleet } from './fleet.ts'
import { formatCount, printClaim, printFact, printTitle } from './screen.ts'
import { createSource, DATA_CREDIT, dropSource, type Source } from './source.ts'
import { type Claim, FULL, SHORT, tellStory } from './story.ts'

const PROCESSES = 4

async function runDemo(interrupted: Promise<never>): Promise<Claim[]> {
  printTitle('postgres-cache: one cache for all processes, in the PostgreSQL you already have')
  await using postgres = await usePostgres()
  const client = new Client({ connectionString: postgres.url, application_name: 'postgres-cache demo' })
  await client.connect()
  try {
    const source = await createSource(client)
    try {
      await introduce(client, source)
      return await runFleet(postgres.url, client, source, interrupted)
    } finally {
      await dropSource(client, source)
    }
  } finally {
    await client.end()
  }
}

async function introduce(client: Client, source: Source): Promise<void> {
  const { rows } = await client.query<{ server_version: string }>('show server_version')
  const server = process.env['DATABASE_URL'] ? 'the one of DATABASE_URL' : 'from npm, in a temporary folder'
  printFact('database', `PostgreSQL ${rows[0]?.server_version}, ${server}`)
  printFact('data', `${formatCount(source.rows)} cities; ${DATA_CREDIT}`)
  printFact('query', 'rank of a city in its country, people within 100 km, the five nearest towns')
}

async function runFleet(
  url: string,
  client: Client,
  source: Source,
  interrupted: Promise<never>,
): Promise<Claim[]> {
  const fleet = new Fleet(PROCESSES, url, source.schema)
  const extent = process.argv.includes('--short') ? SHORT : FULL
  let claims: Claim[]
  let ended: boolean
  try {
    claims = await Promise.race([tellStory({ client, source, fleet, extent }), interrupted])
  } finally {
    ended = await fleet.stop()
  }
  return [
    ...claims,
    { text: `the ${PROCESSES} processes closed what they had opened and ended by themselves`, holds: ended },
  ]
}

/** Rejects on Ctrl-C and the like. */
function interruption(): Promise<never> {
  const interrupted = new Promise<never>((_, reject) => {
    // Not once: npm passes on what the terminal has sent to everyone already.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => reject(new Error(`interrupted by ${signal}`)))
    }
  })
  // It may happen before anyone waits.
  interrupted.catch(() => {})
  return interrupted
}

try {
  const claims = await runDemo(interruption())
  printTitle('What it showed')
  for (const { text, holds } of claims) printClaim(text, holds)
  if (!claims.every(({ holds }) => holds)) process.exitCode = 1
} catch (error) {
  console.error(`\nerror: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}
