// What pg_dump and a restore into another database leave behind: the same rows, unlogged ones and the state among them, with the transaction ids and
// snapshots of where they came from.

import { join } from 'node:path'
import { Client } from 'pg'
import type { PostgresServer } from '../../scripts/embedded-postgres.ts'
import { PostgresCache } from '../../src/index.ts'
import { withoutTriggers } from './without-triggers.ts'

/** Both servers run on this machine under one account. */
export async function restoreInto(
  target: PostgresServer,
  source: PostgresServer,
  schema: string,
): Promise<void> {
  await PostgresCache.migrate({ connectionString: target.url, schema })
  const from = await connect(source.url)
  const to = await connect(target.url)
  // A dump creates its triggers after its rows.
  await withoutTriggers(
    (sql) => to.query(sql),
    schema,
    async () => {
      for (const table of await tablesOf(from, schema)) {
        const file = join(source.dataDirectory, `dump of ${table}`)
        await from.query(`copy ${schema}.${table} to '${file}'`)
        await to.query(`truncate ${schema}.${table}`)
        await to.query(`copy ${schema}.${table} from '${file}'`)
      }
    },
  )
  await makeYounger(to, await newestId(from))
  await Promise.all([from.end(), to.end()])
}

async function connect(connectionString: string): Promise<Client> {
  const client = new Client({ connectionString })
  await client.connect()
  return client
}

async function tablesOf(client: Client, schema: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select relname as name from pg_class where relnamespace = $1::regnamespace and relkind = 'r'`,
    [schema],
  )
  return rows.map(({ name }) => name)
}

async function newestId(client: Client): Promise<number> {
  const { rows } = await client.query<{ id: string }>('select pg_snapshot_xmax(pg_current_snapshot()) as id')
  return Number(rows[0]?.id)
}

/** The ids in the dump shall look like the past of the server, not like its future: the harder case. */
async function makeYounger(client: Client, id: number): Promise<void> {
  await client.query(`
    do $$
    begin
      while pg_snapshot_xmax(pg_current_snapshot())::text::bigint <= ${id} loop
        perform pg_current_xact_id();
        commit;
      end loop;
    end
    $$`)
}
