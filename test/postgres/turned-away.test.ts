// A server that is there, and refuses what a running process asks for, until somebody mends it.

import { afterAll, describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { createRole } from '../limited-role.ts'
import { nextEvent } from '../next-event.ts'

const database = await createDatabase()
const { query, name } = database
const role = await createRole(database)
const cache = new PostgresCache({ connectionString: role.url, local: false, maxStaleness: '1s' })
await cache.connect()
afterAll(async () => {
  await cache.close()
  await role[Symbol.asyncDispose]()
})

const PATIENCE_MS = 30_000

/** Every new connection meets what has changed. */
async function endConnections(): Promise<void> {
  await query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [role.name])
}

const outcomeOf = (write: Promise<unknown>): Promise<unknown> =>
  write.then(
    () => 'written',
    (error: { code?: unknown }) => error.code,
  )

describe('a login that is refused while a process runs', () => {
  it('opens the circuit, so that calls miss at once, and closes it when it is mended', async () => {
    await cache.set('key', 1)
    const opened = nextEvent(cache, 'circuit-opened')
    await role.alter('nologin')
    await endConnections()
    await expect.poll(() => cache.get('key'), { timeout: PATIENCE_MS }).toBeUndefined()
    const { error } = await opened
    expect(error.message).toMatch(/the circuit is open: .* the server refuses the login/)
    expect(await cache.getOrSet('key', () => 'loaded')).toBe('loaded')
    expect(cache.stats()).toMatchObject({ circuit: 'open', session: 'lost' })

    const { circuitsOpened } = cache.stats()
    const failures = (): number => cache.stats().statements['read']?.failures ?? 0
    const before = failures()
    for (let i = 0; i < 1_000; i++) expect(await cache.get('key')).toBeUndefined()
    expect(failures() - before).toBeLessThan(20)
    expect(cache.stats().circuitsOpened).toBe(circuitsOpened)

    const closed = nextEvent(cache, 'circuit-closed')
    await role.alter('login')
    await expect.poll(() => cache.get('key'), { timeout: PATIENCE_MS }).toBe(1)
    await closed
    expect(cache.stats().circuit).toBe('closed')
    await expect.poll(() => cache.stats().session, { timeout: PATIENCE_MS }).toBe('live')
  }, 90_000)
})

describe('a default that makes transactions read-only', () => {
  it('is forgotten soon after it was reset, though connections are in use all the time', async () => {
    await query(`alter database "${name}" set default_transaction_read_only = on`)
    await endConnections()
    const write = (): Promise<unknown> => outcomeOf(cache.set('key', 2))
    await expect.poll(write, { timeout: PATIENCE_MS }).toBe('read-only')
    await query(`alter database "${name}" reset default_transaction_read_only`)
    await expect.poll(write, { timeout: PATIENCE_MS, interval: 10 }).toBe('written')
    expect(await cache.get('key')).toBe(2)
  }, 90_000)
})
