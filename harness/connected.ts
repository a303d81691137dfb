// Connections of the harness's own. The server may go away: then their statements fail, and that is enough.

import { Client } from 'pg'
import { pause } from './pause.ts'

const RETRY_MS = 100

export async function connect(url: string, name: string): Promise<Client> {
  const client = new Client({ connectionString: url, application_name: name })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** Tries until the server is back. */
export async function reconnected(open: () => Promise<Client>, stopping: AbortSignal): Promise<Client> {
  for (;;) {
    try {
      return await open()
    } catch (error) {
      if (stopping.aborted) throw error
      await pause(RETRY_MS)
    }
  }
}

/** A connection for one piece of work. */
export async function connected<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await connect(url, 'harness')
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
