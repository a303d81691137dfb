// Far more at once than anybody should ask for: locks, memory and connections stay bounded.

import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { createDatabase } from '../../test/database.ts'
import { NodeProcess } from '../../test/nodes/node-process.ts'
import { within } from './bound.ts'

const MAX_LOCKS = 32
const MAX_CONNECTIONS = 5
const MAX_EXTRA_MIB = 512
const MIB = 1024 * 1024
const LOOK_EVERY_MS = 10

const database = await createDatabase()
const options = { connectionString: database.url, queryTimeout: '20s', lockTimeout: '20s' } as const

interface Held {
  readonly locks: number
  readonly connections: number
}

async function countHeld(): Promise<Held> {
  const [held] = await database.query<{ locks: number; connections: number }>(
    `select
       (select count(*)::integer from pg_locks where locktype = 'advisory' and mode = 'ExclusiveLock' and granted
          and database = (select oid from pg_database where datname = current_database())) as locks,
       (select count(*)::integer from pg_stat_activity where datname = current_database()
          and application_name like 'postgres-cache%') as connections`,
  )
  return held as Held
}

/** The most of each that was held until `work` has ended. */
async function mostHeld(work: Promise<unknown>): Promise<Held> {
  const done = new AbortController()
  void work.finally(() => done.abort())
  let most = { locks: 0, connections: 0 }
  while (!done.signal.aborted) {
    const { locks, connections } = await countHeld()
    most = { locks: Math.max(most.locks, locks), connections: Math.max(most.connections, connections) }
    await delay(LOOK_EVERY_MS)
  }
  return most
}

it('10,000 concurrent misses of different keys hold 32 locks at most', async () => {
  await using node = await NodeProcess.start()
  await node.run('open', options)
  const keys = Array.from({ length: 10_000 }, (_, i) => `miss ${i}`)
  const loads = within('10,000 misses', 30_000, node.run('load', { keys, value: 'loaded' }))
  const [values, { locks, connections }] = await Promise.all([loads, mostHeld(loads)])
  console.log(`at most ${locks} locks and ${connections} connections`)
  expect(new Set(values)).toEqual(new Set(['loaded']))
  expect(values).toHaveLength(10_000)
  expect(locks).toBeGreaterThan(0)
  expect(locks).toBeLessThanOrEqual(MAX_LOCKS)
  expect(connections).toBeLessThanOrEqual(MAX_CONNECTIONS)
  const [stored] = await database.query<{ count: string }>('select count(*) from postgres_cache.entries')
  expect(stored?.count).toBe('10000')
  await expect.poll(countHeld).toMatchObject({ locks: 0 })
})

it('100,000 keys in one getMany are read in batches', async () => {
  await using node = await NodeProcess.start()
  await node.run('open', options)
  await node.run('set', { key: 'many 99999', value: 'found' })
  const found = node.run('countMany', { prefix: 'many ', count: 100_000 })
  expect(await within('100,000 keys in one getMany', 30_000, found)).toEqual({ found: 1, length: 100_000 })
  expect((await node.run('stats')).errors).toBe(0)
})

it('1 GiB of sets that nobody waits for are turned away beyond maxPending', async () => {
  await using node = await NodeProcess.start()
  await node.run('open', options)
  const flood = node.run('flood', { count: 1_024, bytes: MIB - 100 })
  const { stored, codes, extraBytes } = await within('1,024 sets of 1 MiB', 30_000, flood)
  console.log(`${stored} stored, the others ${codes.join()}; ${Math.round(extraBytes / MIB)} MiB more memory`)
  expect(codes).toEqual(['overloaded'])
  expect(stored).toBeGreaterThan(0)
  expect(extraBytes).toBeLessThan(MAX_EXTRA_MIB * MIB)
  await node.run('set', { key: 'after', value: 'the flood' })
  expect(await node.run('getFresh', 'after')).toBe('the flood')
  expect((await node.run('stats')).pendingBytes).toBe(0)
})
