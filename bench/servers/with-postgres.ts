// A connection of the benchmark's own, beside those of the contenders.

import pg from 'pg'

/** For as long as the work takes. */
export async function withPostgres<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
