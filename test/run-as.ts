// SQL on a connection of its own: what fails within a transaction block leaves nothing open, and what is created belongs to the address's role.

import { Client } from 'pg'

export async function runAs(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url, application_name: 'test' })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
