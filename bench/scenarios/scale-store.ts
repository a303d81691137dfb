// Stores of a given size, each in a schema of its own, so that sizes can take turns.

import pg from 'pg'
import { PostgresCache } from 'postgres-cache'
import { type Address, schemaOf } from '../contender.ts'
import type { Stage } from '../stage.ts'
import { keyOf, valueOf } from '../values.ts'

const BYTES = 100
const TTL = '7d'
const BATCH = 500
const BATCHES_AT_ONCE = 4
const QUERY_TIMEOUT = '1m' // a checkpoint may meet the filling

export interface ScaleStore {
  readonly address: Address
  readonly cache: PostgresCache
  readonly client: pg.Client
}

/** The set of keys that fill() writes. */
export const SCALE_SET = 'scale'

/** An empty store, dropped when the scenario is over. */
export async function openStore(stage: Stage, name: string): Promise<ScaleStore> {
  const { url } = stage.addressOf('postgres-no-local-cache')
  const schema = schemaOf(`scale-${name}`)
  const cache = new PostgresCache({
    connectionString: url,
    schema,
    notifyChannel: schema,
    local: false,
    queryTimeout: QUERY_TIMEOUT,
  })
  const client = new pg.Client(url)
  await client.connect()
  await cache.connect()
  stage.atEnd(async () => {
    await cache.close()
    await client.query(`drop schema ${pg.escapeIdentifier(schema)} cascade`)
    await client.end()
  })
  return { address: { url, schema }, cache, client }
}

/** Writes rows that carry the tags, and lets the server settle. */
export async function fillStore(
  { cache, client, address }: ScaleStore,
  rows: number,
  tags: readonly string[] = [],
): Promise<void> {
  let next = 0
  await Promise.all(
    Array.from({ length: BATCHES_AT_ONCE }, async () => {
      while (next < rows) {
        const from = next
        next += BATCH
        const batch = Array.from({ length: Math.min(BATCH, rows - from) }, (_, i) => from + i)
        await cache.setMany(
          batch.map((i) => [keyOf(SCALE_SET, i), valueOf(i, BYTES)] as const),
          { ttl: TTL, tags },
        )
      }
    }),
  )
  await client.query(`vacuum (analyze) ${pg.escapeIdentifier(address.schema)}.entries`)
}
