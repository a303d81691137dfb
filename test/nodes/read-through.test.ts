// Each option of read-through as the ordered log of what happens to a key, in one process and in two. Time is the database's and is moved by hand;
// chance is drawn by hand; loaders wait for gates.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { ageRows } from '../postgres/age-rows.ts'
import { group, NodeProcess } from './node-process.ts'
import type { Asked } from './traced.ts'

const HOUR = '1h'
// What makes every value in its window due, and every jitter the longest.
const EARLY = 0.999_999_999

const database = await createDatabase()
const connectionString = database.url
const store = new PostgresCache({ connectionString, local: false })
let one: NodeProcess
let two: NodeProcess
let key = ''
let tests = 0

beforeAll(async () => {
  const [first, second] = (await NodeProcess.startMany(2)) as [NodeProcess, NodeProcess]
  one = first
  two = second
  await store.connect()
  // Nobody gets anything because waiting has come to its end, and what is held is let go of for no reason of this cache.
  const options = { connectionString, lockTimeout: HOUR, jitter: 0 } as const
  await Promise.all([one.run('openTraced', options), two.run('openTraced', options)])
}, 60_000)
afterAll(async () => {
  await group([one, two])[Symbol.asyncDispose]()
  await store.close()
})
beforeEach(() => {
  key = `key ${++tests}`
})

/** As the sweep re-stamps: no process hears of it, so that no hint ends a flight that a test is about. */
async function letPass(interval: string): Promise<void> {
  await database.query(`set postgres_cache.act = 'restamp'`)
  await ageRows(database, interval, key)
  await database.query('reset postgres_cache.act')
}

/** Expired, and within its grace. */
async function stale(value: unknown = 'old'): Promise<void> {
  await store.set(key, value, { ttl: HOUR, grace: HOUR })
  await letPass('61 minutes')
}

const ask = (node: NodeProcess, asked: Omit<Asked, 'key'> = {}): Promise<unknown> =>
  node.run('getOrSet', { key, ...asked })
const log = (node: NodeProcess): Promise<readonly string[]> => node.run('takeLog', key)
const logged = (node: NodeProcess, line: string): Promise<void> =>
  expect.poll(() => node.run('logOf', key)).toContain(line)
const down = { fails: 'source is down' } as const
const LOADED = ['loader begins', 'loaded and stored', 'missed']

describe('grace', () => {
  it('serves what is stale where the load fails, whoever has stored it', async () => {
    await stale()
    expect(await ask(one, { loader: down, options: { grace: HOUR } })).toEqual({ value: 'old' })
    expect(await log(one)).toEqual(['loader begins', 'load failed', 'hit: stale'])
    expect(await ask(two, { loader: { returns: 'new' }, options: { grace: HOUR } })).toEqual({ value: 'new' })
    expect(await log(two)).toEqual(LOADED)
    expect(await ask(one, { options: { grace: HOUR, fresh: true } })).toEqual({ value: 'new' })
    expect(await log(one)).toEqual(['hit: store'])
  })

  it('ends by the clock of the database', async () => {
    await stale()
    await letPass('61 minutes')
    expect(await ask(one, { loader: down, options: { grace: HOUR } })).toEqual({ error: 'source is down' })
    expect(await log(one)).toEqual(['loader begins', 'load failed'])
  })
})

it('backoff: no other try in the process whose load has failed; the other may', async () => {
  await stale()
  const options = { grace: HOUR, backoff: HOUR } as const
  expect(await ask(one, { loader: down, options })).toEqual({ value: 'old' })
  expect(await ask(one, { options })).toEqual({ value: 'old' })
  expect(await log(one)).toEqual(['loader begins', 'load failed', 'hit: stale', 'hit: stale'])
  expect(await ask(two, { loader: { returns: 'new' }, options })).toEqual({ value: 'new' })
  expect(await log(two)).toEqual(LOADED)
})

it("revalidate: 'background' answers at once, and one process loads behind that", async () => {
  await stale()
  const options = { ttl: HOUR, grace: HOUR, revalidate: 'background' } as const
  expect(await ask(one, { loader: { returns: 'new', after: key }, options })).toEqual({ value: 'old' })
  await logged(one, 'loader begins')
  expect(await ask(one, { options })).toEqual({ value: 'old' })
  expect(await ask(two, { options })).toEqual({ value: 'old' })
  await one.run('openGate', key)
  await logged(one, 'loaded and stored')
  expect(await log(one)).toEqual(['hit: stale', 'loader begins', 'hit: stale', 'loaded and stored'])
  expect(await ask(two, { options: { ...options, fresh: true } })).toEqual({ value: 'new' })
  expect(await log(two)).toEqual(['hit: stale', 'hit: store'])
})

it('waitUntil is handed the work behind an answer', async () => {
  await stale()
  await two.run('takeLog', 'background')
  const options = { ttl: HOUR, grace: HOUR, revalidate: 'background' } as const
  expect(await ask(two, { loader: { returns: 'new', after: key }, options })).toEqual({ value: 'old' })
  expect(await two.run('logOf', 'background')).toEqual(['handed over'])
  await two.run('openGate', key)
  await expect.poll(() => two.run('logOf', 'background')).toEqual(['handed over', 'done'])
  expect(await log(two)).toEqual(['hit: stale', 'loader begins', 'loaded and stored'])
  expect(await ask(one, { options: { fresh: true } })).toEqual({ value: 'new' })
})

it('softTimeout serves what is stale while a load goes on, here or there', async () => {
  await stale()
  const load = ask(one, { loader: { returns: 'new', after: key }, options: { grace: HOUR } })
  await logged(one, 'loader begins')
  const options = { grace: HOUR, softTimeout: 20 } as const
  for (const node of [one, two]) expect(await ask(node, { options })).toEqual({ value: 'old' })
  await one.run('openGate', key)
  expect(await load).toEqual({ value: 'new' })
  expect(await log(one)).toEqual(['loader begins', 'hit: stale', 'loaded and stored', 'missed'])
  expect(await ask(two, { options: { ...options, fresh: true } })).toEqual({ value: 'new' })
  expect(await log(two)).toEqual(['hit: stale', 'hit: store'])
})

it('timeout rejects its caller, here or there, and the load goes on', async () => {
  const load = ask(one, { loader: { returns: 'late', after: key } })
  await logged(one, 'loader begins')
  for (const node of [one, two])
    expect(await ask(node, { options: { timeout: 20 } })).toEqual({ error: 'wait-timeout' })
  await one.run('openGate', key)
  expect(await load).toEqual({ value: 'late' })
  expect(await log(one)).toEqual(LOADED)
  expect(await ask(two, { options: { fresh: true } })).toEqual({ value: 'late' })
  expect(await log(two)).toEqual(['hit: store'])
})

it('errorTtl: the same error without another try, in the process that has seen it', async () => {
  const options = { errorTtl: HOUR } as const
  for (const loader of [down, undefined])
    expect(await ask(one, loader ? { loader, options } : { options })).toEqual({ error: 'source is down' })
  expect(await log(one)).toEqual(['loader begins', 'load failed', 'missed'])
  expect(await ask(two, { loader: { returns: 'loaded' }, options })).toEqual({ value: 'loaded' })
  expect(await log(two)).toEqual(LOADED)
  expect(await ask(one, { options })).toEqual({ value: 'loaded' })
  expect(await log(one)).toEqual(['hit: store'])
})

it('nullTtl is when null is loaded again, and by whom does not matter', async () => {
  const options = { ttl: HOUR, nullTtl: '1m' } as const
  expect(await ask(one, { loader: { returns: null }, options })).toEqual({ value: null })
  expect(await log(one)).toEqual(LOADED)
  await letPass('50 seconds')
  expect(await ask(two, { options: { ...options, local: false } })).toEqual({ value: null })
  await letPass('11 seconds')
  expect(await ask(two, { loader: { returns: 'Ava' }, options: { ...options, fresh: true } })).toEqual({
    value: 'Ava',
  })
  expect(await log(two)).toEqual(['hit: store', ...LOADED])
  await letPass('50 minutes')
  expect(await ask(one, { options: { ...options, fresh: true } })).toEqual({ value: 'Ava' })
  expect(await log(one)).toEqual(['hit: store'])
})

it('jitter shortens the ttl of what is loaded, for whoever reads it', async () => {
  await one.run('draw', EARLY)
  expect(await ask(one, { loader: { returns: 1 }, options: { ttl: HOUR, jitter: 0.5 } })).toEqual({
    value: 1,
  })
  await letPass('29 minutes')
  expect(await ask(two, { options: { local: false } })).toEqual({ value: 1 })
  await letPass('2 minutes')
  expect(await ask(two, { loader: { returns: 2 }, options: { ttl: HOUR, fresh: true } })).toEqual({
    value: 2,
  })
  expect(await log(two)).toEqual(['hit: store', ...LOADED])
})

it('refreshAhead answers, and loads once behind that before the ttl is over', async () => {
  await Promise.all([one.run('draw', EARLY), two.run('draw', EARLY)])
  const options = { ttl: HOUR, refreshAhead: 0.5, local: false } as const
  await store.set(key, 'old', { ttl: HOUR })
  await letPass('20 minutes')
  expect(await ask(one, { options })).toEqual({ value: 'old' })
  await letPass('20 minutes')
  expect(await ask(one, { loader: { returns: 'new', after: key }, options })).toEqual({ value: 'old' })
  await logged(one, 'loader begins')
  for (const node of [one, two]) expect(await ask(node, { options })).toEqual({ value: 'old' })
  await one.run('openGate', key)
  await logged(one, 'loaded and stored')
  expect(await log(one)).toEqual([
    'hit: store',
    'hit: store',
    'loader begins',
    'hit: store',
    'loaded and stored',
  ])
  expect(await ask(two, { options })).toEqual({ value: 'new' })
  expect(await log(two)).toEqual(['hit: store', 'hit: store'])
})

it('force loads whatever is there, and whoever else is loading', async () => {
  await store.set(key, 'old')
  const first = ask(one, { loader: { returns: 'begun first', after: key }, options: { force: true } })
  await logged(one, 'loader begins')
  expect(await ask(two, { loader: { returns: 'newest' }, options: { force: true } })).toEqual({
    value: 'newest',
  })
  expect(await log(two)).toEqual(LOADED)
  await one.run('openGate', key)
  expect(await first).toEqual({ value: 'begun first' })
  // It could not see the other's, which stays.
  expect(await log(one)).toEqual(['loader begins', 'loaded', 'missed'])
  expect(await ask(one, { options: { fresh: true } })).toEqual({ value: 'newest' })
})

it('notModified() keeps the value that another process has stored', async () => {
  await stale('kept')
  expect(await ask(one, { loader: { notModified: true }, options: { ttl: HOUR } })).toEqual({ value: 'kept' })
  expect(await log(one)).toEqual(LOADED)
  expect(await ask(two)).toEqual({ value: 'kept' })
  expect(await log(two)).toEqual(['hit: store'])
})

describe('the local cache', () => {
  beforeEach(async () => {
    // Hears of nothing: what it holds stays, whatever others do.
    await one.run('close')
    await one.run('openTraced', { connectionString, notifications: 'poll', maxStaleness: HOUR, jitter: 0 })
    await store.set(key, 'old')
    await one.run('hold', { key, value: 'old' })
    await one.run('takeLog', key)
    await ask(two, { loader: { returns: 'new' }, options: { force: true } })
  })

  it.each([
    ['fresh', { fresh: true }],
    ['local: false', { local: false }],
  ])('is passed by with %s, and answers without', async (_, options) => {
    expect(await ask(one)).toEqual({ value: 'old' })
    expect(await ask(one, { options })).toEqual({ value: 'new' })
    expect(await log(one)).toEqual(['hit: local', 'hit: store'])
  })

  it('keeps a value no longer than localTtl, and the other process as usual', async () => {
    const loader = { returns: 'newer' }
    expect(await ask(one, { loader, options: { force: true, localTtl: 1 } })).toEqual({ value: 'newer' })
    await expect.poll(() => one.run('peek', key)).toBeUndefined()
    await one.run('takeLog', key)
    expect(await ask(one, { options: { localTtl: HOUR } })).toEqual({ value: 'newer' })
    expect(await log(one)).toEqual(['hit: store'])
    // News of an older write may still take it away here, once.
    const answered = async (): Promise<readonly string[]> => {
      expect(await ask(two)).toEqual({ value: 'newer' })
      return log(two)
    }
    await expect.poll(answered).toEqual(['hit: local'])
  })
})
