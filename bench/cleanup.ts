// Removes what benchmarks left on servers that are not theirs, as one that was killed does.

import pg from 'pg'
import { createClient } from '@redis/client'
import { KEY_PREFIX, SCHEMA } from './contender.ts'
import { withPostgres } from './servers/with-postgres.ts'

export async function cleanUp(
  postgresUrl: string | undefined,
  valkeyUrl: string | undefined,
): Promise<string[]> {
  const removed = [
    ...(postgresUrl ? await dropSchemas(postgresUrl) : []),
    ...(valkeyUrl ? [await deleteKeys(valkeyUrl)] : []),
  ]
  return removed.length > 0 ? removed : ['servers that the benchmark starts leave nothing behind']
}

function dropSchemas(url: string): Promise<string[]> {
  return withPostgres(url, async (client) => {
    const { rows } = await client.query<{ name: string }>(
      `select nspname as name from pg_namespace where starts_with(nspname, $1 || '_')`,
      [SCHEMA],
    )
    for (const { name } of rows) await client.query(`drop schema ${pg.escapeIdentifier(name)} cascade`)
    return rows.map(({ name }) => `dropped the schema ${name}`)
  })
}

async function deleteKeys(url: string): Promise<string> {
  const client = createClient({ url })
  await client.connect()
  let deleted = 0
  for await (const keys of client.scanIterator({ MATCH: `${KEY_PREFIX}*`, COUNT: 1_000 })) {
    if (keys.length > 0) deleted += await client.unlink(keys)
  }
  await client.close()
  return `deleted ${deleted} keys under ${KEY_PREFIX}`
}
