// Takes the NOTIFY out of the cache's own function for the time of a measurement: nothing else tells what hints cost.

import pg from 'pg'
import type { Address } from '../contender.ts'
import { withPostgres } from '../servers/with-postgres.ts'

const CONDITION = `if current_setting('postgres_cache.act', true) = 'quiet' then`

export function mutingHints<T>({ url, schema }: Address, work: () => Promise<T>): Promise<T> {
  return withPostgres(url, async (client) => {
    const { rows } = await client.query<{ definition: string }>(
      `select pg_get_functiondef(p.oid) as definition
       from pg_proc as p where p.pronamespace = $1::regnamespace and p.proname = 'hint'`,
      [pg.escapeIdentifier(schema)],
    )
    const definition = rows[0]?.definition ?? ''
    if (!definition.includes(CONDITION)) throw new Error('the function that sends hints is not as expected')
    await client.query(definition.replace(CONDITION, 'if true then'))
    try {
      return await work()
    } finally {
      await client.query(definition)
    }
  })
}
