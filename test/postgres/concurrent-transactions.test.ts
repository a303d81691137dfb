// Invalidations in callers' transactions wait for nobody, whatever they invalidate in whatever order.

import { Client } from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { Latch } from '../latch.ts'

const TRANSACTIONS = 50
const OPEN_MS = 50
const KEYS = Array.from({ length: 10 }, (_, i) => `key ${i}`)

const database = await createDatabase()
const cache = new PostgresCache({ connectionString: database.url })
const clients = Array.from({ length: TRANSACTIONS }, () => new Client(database.url))
beforeAll(async () => {
  await cache.connect()
  await Promise.all(clients.map((client) => client.connect()))
})
afterAll(async () => {
  await cache.close()
  await Promise.all(clients.map((client) => client.end()))
})

/** A different order for each seed. */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  const draw = (i: number): number => Math.abs(Math.sin(seed * 997 + i * 131))
  return items
    .map((item, i) => ({ item, rank: draw(i) }))
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ item }) => item)
}

const deadlocks = async (): Promise<number> => {
  await database.query('select pg_stat_clear_snapshot()')
  const [row] = await database.query<{ deadlocks: number }>(
    'select deadlocks::integer from pg_stat_database where datname = current_database()',
  )
  return row?.deadlocks ?? 0
}

/**
 * How often somebody was seen waiting for another's transaction until the work is done. Commits that notify go one by one, by a lock on no database at
 * all, and wait for nothing else meanwhile.
 */
async function countWaits(work: Promise<unknown>): Promise<number> {
  let waits = 0
  const finished = new AbortController()
  const done = work.finally(() => finished.abort())
  while (!finished.signal.aborted) {
    const rows = await database.query(
      `select from pg_locks where not granted and locktype <> 'extend' and (classid, objid) is distinct from ('pg_database'::regclass, 0)
       and pid in (select pid from pg_stat_activity where datname = current_database())`,
    )
    waits += rows.length
  }
  await done
  return waits
}

it('fifty transactions that invalidate the same tag and keys in random orders are all open at once', async () => {
  await cache.setMany(
    KEYS.map((key, i) => [key, i]),
    { tags: ['shared'] },
  )
  const deadlocksBefore = await deadlocks()
  const allHaveInvalidated = new Latch()
  let open = 0

  const run = async (client: Client, seed: number): Promise<void> => {
    await client.query('begin')
    const cached = await cache.withTransaction(client)
    const steps = shuffled(
      [() => cached.invalidateTags('shared'), ...KEYS.map((key) => () => cached.invalidate(key))],
      seed,
    )
    for (const step of steps) await step()
    if (++open === TRANSACTIONS) allHaveInvalidated.open()
    // If one of them waited for another to end, nobody would get past this point.
    await allHaveInvalidated.opened
    await client.query('commit')
  }
  expect(await countWaits(Promise.all(clients.map(run)))).toBe(0)

  expect(await deadlocks()).toBe(deadlocksBefore)
  expect(await cache.getMany(KEYS, { fresh: true })).toEqual(KEYS.map(() => undefined))
})

it('each of them open for 50 ms, they take far less than one after the other', async () => {
  await cache.setMany(
    KEYS.map((key, i) => [key, i]),
    { tags: ['shared'] },
  )
  const deadlocksBefore = await deadlocks()

  const run = async (client: Client, seed: number): Promise<void> => {
    await client.query('begin')
    const cached = await cache.withTransaction(client)
    const [first, ...rest] = shuffled(KEYS, seed)
    await cached.invalidate(first ?? '')
    await client.query(`select pg_sleep(${OPEN_MS / 1000})`)
    await cached.invalidateTags('shared')
    for (const key of rest) await cached.invalidate(key)
    await client.query('commit')
  }
  const started = performance.now()
  expect(await countWaits(Promise.all(clients.map(run)))).toBe(0)

  const ms = performance.now() - started
  console.log(`${TRANSACTIONS} transactions, each open for ${OPEN_MS} ms, took ${Math.round(ms)} ms`)
  // One after the other they would take longer than this by their statements.
  expect(ms).toBeLessThan(TRANSACTIONS * OPEN_MS)
  expect(await deadlocks()).toBe(deadlocksBefore)
  expect(await cache.getMany(KEYS, { fresh: true })).toEqual(KEYS.map(() => undefined))
})
