// Two-phase commits by callers, whose tables are watched: between PREPARE and COMMIT PREPARED a change belongs to nobody's
// session, and may stay there for long.

import { Client, Pool } from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { PostgresServer } from '../../scripts/embedded-postgres.ts'
import { PostgresCache } from '../../src/index.ts'
import { Latch } from '../../test/latch.ts'
import { startOwnServer } from '../../test/own-server.ts'

const USERS = 4
const CHANGES = 40

let server: PostgresServer
let pool: Pool
beforeAll(async () => {
  server = await startOwnServer({ max_prepared_transactions: '20' })
  pool = new Pool({ connectionString: server.url })
  // Those that are idle hear of the end of the server.
  pool.on('error', () => {}).on('connect', (client) => client.on('error', () => {}))
  await pool.query('create table users (id integer primary key, version integer not null)')
  await pool.query('insert into users select generate_series(1, $1::integer), 0', [USERS])
})
afterAll(async () => {
  await pool.end()
  await server.stop()
})

const read = async (id: number): Promise<number> =>
  (await pool.query<{ version: number }>('select version from users where id = $1', [id])).rows[0]?.version ??
  -1

async function change(client: Client, id: number, name: string): Promise<void> {
  await client.query('begin')
  await client.query('update users set version = version + 1 where id = $1', [id])
  await client.query(`prepare transaction '${name}'`)
}

it('a load that reads before COMMIT PREPARED is refused after it, however long that takes', async () => {
  await using cache = new PostgresCache({ connectionString: server.url })
  await cache.watch('users', { keys: ['user:{id}'] })
  const client = new Client(server.url)
  await client.connect()
  const latch = new Latch()
  const begun = new Latch()
  await change(client, 1, 'slow')
  const load = cache.getOrSet('user:1', async () => {
    const version = await read(1)
    begun.open()
    await latch.opened
    return version
  })
  await begun.opened
  await client.query(`commit prepared 'slow'`)
  latch.open()
  const before = await load
  expect(await cache.getOrSet('user:1', () => read(1))).toBe(before + 1)
  await client.end()
})

it('what is cached agrees with its row after any number of them, committed or not', async () => {
  await using listening = new PostgresCache({ connectionString: server.url })
  await using polling = new PostgresCache({ connectionString: server.url, notifications: 'poll' })
  const caches = [listening, polling]
  await listening.watch('users', { keys: ['user:{id}'] })
  const ids = Array.from({ length: USERS }, (_, i) => i + 1)
  const changers = ids.map(async (id) => {
    const client = new Client(server.url)
    await client.connect()
    for (let i = 0; i < CHANGES; i++) {
      const name = `change ${id} ${i}`
      await change(client, id, name)
      await client.query(`${i % 3 === 0 ? 'rollback' : 'commit'} prepared '${name}'`)
    }
    await client.end()
  })
  const over = new AbortController()
  const loads = caches.flatMap((cache) =>
    ids.map(async (id) => {
      while (!over.signal.aborted) {
        await cache.getOrSet(`user:${id}`, () => read(id))
        await new Promise(setImmediate) // or a local hit would keep everything else from happening
      }
    }),
  )
  await Promise.all(changers)
  over.abort()
  await Promise.all(loads)
  for (const cache of caches) {
    await cache.sync()
    for (const id of ids) expect([undefined, await read(id)]).toContain(await cache.get(`user:${id}`))
  }
  expect(caches.flatMap((cache) => cache.stats().errors)).toEqual([0, 0])
})
