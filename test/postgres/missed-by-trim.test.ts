// An entry that could not be re-stamped, because somebody held its row, is void by the trim fence alone, while others rightly hold its value.

import { Client } from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'

const { url: connectionString, query } = await createDatabase()
const writer = new PostgresCache({ connectionString, pruneInterval: '1h', local: false })
// Nothing but hints and sync() makes it look into the feed within a test.
const reader = new PostgresCache({ connectionString, pruneInterval: '1h', maxStaleness: '10m' })
const client = new Client(connectionString)
beforeAll(() => Promise.all([writer.connect(), reader.connect(), client.connect()]))
afterAll(() => Promise.all([writer.close(), reader.close(), client.end()]))

async function turnHandTwice(): Promise<void> {
  for (let round = 0; round < 2; round++) await query('select postgres_cache.sweep_blocks(1000000, 1000)')
}

/** What was written until now lies behind the removal fence. */
async function moveRemovalFence(): Promise<void> {
  for (let i = 0; i < 4; i++) {
    await query(
      `update postgres_cache.state set load_candidate_at = load_candidate_at - interval '2 minutes',
         load_fence_at = load_fence_at - interval '2 minutes'`,
    )
    await query('select postgres_cache.begin_sweep(0, 0, 600000)')
  }
}

it('when its row is removed, those who hold it are told, so that the next set reaches them', async () => {
  await writer.setMany(
    ['held', 'restamped'].map((key) => [key, 'old']),
    { ttl: null },
  )
  await expect.poll(async () => [await reader.get('held'), reader.peek('held')]).toEqual(['old', 'old'])

  await client.query('begin')
  await client.query(`select from postgres_cache.entries where key = 'held' for update`)
  await query('select postgres_cache.begin_trim(0)')
  await turnHandTwice()
  await query('select postgres_cache.end_trim(0)')
  await client.query('rollback')
  expect(await writer.getMany(['held', 'restamped'])).toEqual([undefined, 'old'])

  await moveRemovalFence()
  await turnHandTwice()
  expect(await query('select key from postgres_cache.entries')).toEqual([{ key: 'restamped' }])
  await writer.set('held', 'new')
  await reader.sync()
  expect(await reader.get('held')).toBe('new')
})
