// A set that waits for whoever removes its row comes after the removal, and what the removal leaves behind does not mean it.

import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'

const { url: connectionString, query } = await createDatabase()
const cache = new PostgresCache({ connectionString, pruneInterval: '1h' })
const remover = new Client(connectionString)
beforeAll(() => Promise.all([cache.connect(), remover.connect()]))
afterEach(() => query('delete from postgres_cache.entries'))
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
})

const created: readonly [string, unknown, (key: string) => Promise<unknown>][] = [
  ['set', undefined, (key) => cache.set(key, 7)],
  ['add', true, (key) => cache.add(key, 7)],
  ['increment', 7, (key) => cache.increment(key, { by: 7 })],
  ['compareAndSet', true, (key) => cache.compareAndSet(key, undefined, 7)],
]

it.each(created)(
  'what %s makes is there after a set that was rolled back, whatever was deleted meanwhile',
  async (name, answer, call) => {
    const key = `created by ${name}`
    await using other = new PostgresCache({ connectionString, local: false })
    await remover.query('begin')
    const theirs = await other.withTransaction(remover)
    await theirs.set(key, 'rolled back')
    const done = call(key)
    await expect.poll(isWaitedFor, { interval: 2 }).toBe(true)
    expect(await other.delete(key)).toBe(false)
    await remover.query('rollback')
    expect(await done).toBe(answer)
    expect(await other.get(key)).toBe(7)
    expect(await cache.get(key, { fresh: true })).toBe(7)
  },
)

it('is there after a transaction that has invalidated its tag and set its key', async () => {
  await cache.set('tagged', 'old')
  await remover.query('begin')
  const theirs = await cache.withTransaction(remover)
  await theirs.invalidateTags('tag')
  await theirs.set('tagged', 'theirs')
  const set = cache.set('tagged', 'ours', { tags: ['tag'] })
  await expect.poll(isWaitedFor, { interval: 2 }).toBe(true)
  await remover.query('commit')
  await set
  expect(await cache.get('tagged', { fresh: true })).toBe('ours')
  await cache.invalidateTags('tag')
  expect(await cache.get('tagged', { fresh: true })).toBeUndefined()
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
