// A set that waits for whoever removes its row comes after the removal, and what the removal leaves behind does not mean it.

import { Client } from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'

const { url: connectionString, query } = await createDatabase()
const cache = new PostgresCache({ connectionString, pruneInterval: '1h' })
const remover = new Client(connectionString)
beforeAll(() => Promise.all([cache.connect(), remover.connect()]))
afterAll(() => Promise.all([cache.close(), remover.end()]))

async function isWaitedFor(): Promise<boolean> {
  const waiting = await query(
    `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  )
  return waiting.length > 0
}

const removals: Readonly<Record<string, string>> = {
  prune: 'select postgres_cache.prune()',
  take: `select taken from postgres_cache.take_entry((select world::text from postgres_cache.state), '100ms', 'key 1')`,
  'a DELETE by hand': 'delete from postgres_cache.entries',
}

it.each(Object.entries(removals))('is there after %s', async (name, removal) => {
  const isExpired = name === 'prune'
  const neighbours = Array.from({ length: 3 }, (_, i) => `neighbour ${i} of ${name}`)
  await cache.setMany(
    [
      ['key 1', 'old'],
      ['key 2', 'old'],
    ],
    { ttl: isExpired ? 1 : '1h' },
  )
  if (isExpired) await expect.poll(() => query('select from postgres_cache.live_entries')).toEqual([])

  await remover.query('begin')
  await remover.query(removal)
  const sets = Promise.all(['key 1', ...neighbours].map((key) => cache.set(key, 'new', { ttl: '1h' })))
  await expect.poll(isWaitedFor, { interval: 2 }).toBe(true)
  await remover.query('commit')
  await sets

  expect(await cache.getMany(['key 1', ...neighbours], { fresh: true })).toEqual(Array(4).fill('new'))
  // And what is invalidated afterwards is.
  await cache.invalidate('key 1')
  expect(await cache.get('key 1', { fresh: true })).toBeUndefined()
  await query('delete from postgres_cache.entries')
})

it('no acknowledged set is lost beside a sweep of what has expired', async () => {
  await using other = new PostgresCache({ connectionString, pruneInterval: '1h', local: false })
  const keys = Array.from({ length: 500 }, (_, i) => `expired ${i}`)
  for (let round = 0; round < 5; round++) {
    await cache.setMany(
      keys.map((key) => [key, 'old']),
      { ttl: 20 },
    )
    await expect.poll(() => query('select from postgres_cache.live_entries')).toEqual([])
    const pruned = other.prune()
    await Promise.all(keys.map((key) => cache.set(key, round, { ttl: '1h' })))
    await pruned
    expect(await other.getMany(keys)).toEqual(keys.map(() => round))
  }
})
