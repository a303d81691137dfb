// A crash takes back the ids of transactions whose end was not on disk yet, and gives them out again. Snapshots from before it, the cursors and
// tokens that processes hold, would take the new transactions for the old ones.

import { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import type { PostgresServer } from '../../scripts/embedded-postgres.ts'
import { Latch } from '../latch.ts'
import { HAS_OWN_SERVERS, startOwnServer } from '../own-server.ts'

const IDS = 50

async function withClient<T>(connectionString: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client(connectionString)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

const drawId = (client: Client): Promise<unknown> => client.query('select pg_current_xact_id()')

async function nextId(client: Client): Promise<number> {
  const { rows } = await client.query<{ id: string }>(
    'select pg_snapshot_xmax(pg_current_snapshot())::text as id',
  )
  return Number(rows[0]?.id)
}

const crashes: Readonly<Record<string, (server: PostgresServer) => Promise<void>>> = {
  'the whole server': async (server) => {
    await server.kill()
    await server.start()
  },
  // As when the kernel is out of memory: the postmaster ends the others, and goes on.
  'one of its processes': async (server) => {
    await withClient(server.url, async (client) => {
      const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
      const ended = new Promise((resolve) => client.once('end', resolve))
      client.on('error', () => {})
      process.kill(rows[0]?.pid ?? 0, 'SIGKILL')
      await ended
    })
    await expect
      .poll(() => withClient(server.url, nextId).then(() => 'up', String), { timeout: 20_000 })
      .toBe('up')
  },
}

describe.skipIf(!HAS_OWN_SERVERS)('a logged cache, after a crash that takes ids back,', () => {
  it.each(Object.keys(crashes))(
    'of %s, hears of what is written with them, and refuses the fills of loads that began before',
    async (crash) => {
      await using server = await startOwnServer({ wal_writer_delay: '10s' })
      const options = { connectionString: server.url, durability: 'logged' } as const
      // Nothing but sync() tells it of anything.
      await using reader = new PostgresCache({ ...options, notifications: 'poll', maxStaleness: '10m' })
      await using loader = new PostgresCache(options)
      await reader.set('held', 'old')
      await loader.connect()
      const begun = new Latch()
      const latch = new Latch()

      const { load, idBefore } = await withClient(server.url, async (client) => {
        await client.query('set synchronous_commit = off')
        for (let i = 0; i < IDS; i++) await drawId(client)
        await reader.sync()
        const loading = loader.getOrSet('loaded', async () => {
          begun.open()
          await latch.opened
          return 'old'
        })
        await begun.opened
        return { load: loading, idBefore: await nextId(client) }
      })
      await crashes[crash]?.(server)
      const idAfter = await withClient(server.url, nextId)

      await using other = new PostgresCache({ ...options, local: false })
      await expect.poll(() => other.set('held', 'new').then(() => 'set', String)).toBe('set')
      await other.invalidate('loaded')
      await withClient(server.url, async (client) => {
        while ((await nextId(client)) <= idBefore) await drawId(client)
      })
      await expect.poll(() => reader.sync().then(() => 'synced', String)).toBe('synced')
      const held = await reader.get('held')
      await expect.poll(() => loader.sync().then(() => 'synced', String)).toBe('synced')
      latch.open()
      expect(await load).toBe('old')
      expect(idAfter).toBeLessThan(idBefore)
      expect(held).toBe('new')
      expect(await other.get('loaded')).toBeUndefined()
    },
  )
})
