// Takes the NOTIFY out of the cache's own function for the time of a measurement: nothing else tells what hints cost.

import pg from 'pg'
import type { Address } from '../contender.ts'

const CONDITION = 'if not p_hint or '

export async function mutingHints<T>({ url, schema }: Address, work: () => Promise<T>): Promise<T> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    const { rows } = await client.query<{ definition: string }>(
      `select pg_get_functiondef(p.oid) as definition
       from pg_proc as p where p.pronamespace = $1::regnamespace and p.proname = 'tell'`,
      [pg.escapeIdentifier(schema)],
    )
    const definition = rows[0]?.definition ?? ''
    if (!definition.includes(CONDITION)) throw new Error('the function that sends hints is not as expected')
    await client.query(definition.replace(CONDITION, 'if true or not p_hint or '))
    try {
      return await work()
    } finally {
      await client.query(definition)
    }
  } finally {
    await client.end()
  }
}
