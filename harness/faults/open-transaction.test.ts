// A caller's transaction that stays open, with rows of the cache locked and a snapshot that keeps every dead row.

import { Client } from 'pg'
import { expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../../test/database.ts'
import { group, NodeProcess } from '../../test/nodes/node-process.ts'
import { bound } from './bound.ts'

const KEYS = Array.from({ length: 64 }, (_, i) => `key ${i}`)
const LOCKED = KEYS.filter((_, i) => i % 8 === 0)
const FREE = KEYS.filter((key) => !LOCKED.includes(key))
const FOR_MS = 8_000
const SLOWEST_MS = 1_000

const database = await createDatabase()

async function rounds(): Promise<number> {
  const [state] = await database.query<{ rounds: string }>('select rounds::text from postgres_cache.state')
  return Number(state?.rounds)
}

it('delays no neighbour and no read, and keeps no sweep from going round', async () => {
  const options = { connectionString: database.url, local: false, pruneInterval: 200 } as const
  await using cache = new PostgresCache(options)
  await cache.setMany(KEYS.map((key) => [key, 'old']))
  const nodes = await NodeProcess.startMany(2)
  await using _ = group(nodes)
  await Promise.all(nodes.map((node) => node.run('open', options)))

  const holder = new Client(database.url)
  await holder.connect()
  await holder.query('begin isolation level repeatable read')
  await holder.query('create table mine ()') // so that it has an id, too
  await holder.query('select from postgres_cache.entries where key = any ($1) for update', [LOCKED])
  const before = await rounds()
  const held = LOCKED.map((key) => cache.set(key, 'new').catch((error: { code: string }) => error.code))
  const slowest = await Promise.all(
    nodes.map((node) => node.run('overwriteFor', { free: FREE, locked: LOCKED, ms: FOR_MS })),
  )
  const setMs = Math.max(...slowest.map((each) => each.setMs))
  const readMs = Math.max(...slowest.map((each) => each.readMs))
  const went = (await rounds()) - before
  console.log(
    `beside an open transaction: the slowest batch of sets ${setMs.toFixed(0)} ms, of reads ${readMs.toFixed(0)} ms ` +
      `(bound ${bound(SLOWEST_MS)} ms); ${went} rounds of the sweep`,
  )
  expect(setMs).toBeLessThan(bound(SLOWEST_MS))
  expect(readMs).toBeLessThan(bound(SLOWEST_MS))
  expect(went).toBeGreaterThan(0)
  expect(await Promise.all(held)).toEqual(LOCKED.map(() => 'locked'))
  expect(await cache.getMany(LOCKED)).toEqual(LOCKED.map(() => 'old'))

  await holder.query('commit')
  await holder.end()
  await cache.setMany(LOCKED.map((key) => [key, 'new']))
  expect(await cache.getMany(LOCKED)).toEqual(LOCKED.map(() => 'new'))
})
