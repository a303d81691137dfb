// Lets time pass for what is stored, by the only clock that decides: the database's.

import type { TestDatabase } from '../database.ts'

/** Moves every entry, or those with this prefix, `interval` into the past. Local caches hear of it as of any write. */
export async function ageRows(
  { query }: Pick<TestDatabase, 'query'>,
  interval: string,
  keyPrefix = '',
): Promise<void> {
  await query(
    `update postgres_cache.entries
     set created_at = created_at - $1::interval, fresh_until = fresh_until - $1::interval, expires_at = expires_at - $1::interval
     where starts_with(key, $2)`,
    [interval, keyPrefix],
  )
}
