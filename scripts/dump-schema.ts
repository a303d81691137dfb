// Writes sql/schema.sql: what a fresh install creates on PostgreSQL 18, so that a change of a migration is read as the
// change of the schema that it makes. With --check it only tells whether the committed file is current.

import { readFileSync, writeFileSync } from 'node:fs'
import { Client } from 'pg'
import { PostgresCache } from '../src/index.ts'
import { startPostgres } from './embedded-postgres.ts'
import { describeSchema } from './schema-catalog.ts'

const OUTPUT = new URL('../sql/schema.sql', import.meta.url)
const HEADER = `-- What a fresh install creates with the default options on PostgreSQL 18. Made by \`npm run schema:dump\`; not run by anything.
`

async function dumpFreshInstall(): Promise<string> {
  await using server = await startPostgres({ major: 18 })
  await PostgresCache.migrate({ connectionString: server.url })
  const client = new Client(server.url)
  await client.connect()
  try {
    return `${HEADER}\n${await describeSchema(client, 'postgres_cache')}\n`
  } finally {
    await client.end()
  }
}

const dump = await dumpFreshInstall()
if (!process.argv.includes('--check')) {
  writeFileSync(OUTPUT, dump)
} else if (readFileSync(OUTPUT, 'utf8') !== dump) {
  console.error('sql/schema.sql is not what the migrations create: run `npm run schema:dump` and commit it')
  process.exitCode = 1
}
