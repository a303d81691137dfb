// Connections that look open and over which nothing arrives any more: that of the session, those of the pool, and all of
// them.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../../test/database.ts'
import { Latch } from '../../test/latch.ts'
import { NodeProcess } from '../../test/nodes/node-process.ts'
import { TcpProxy } from '../../test/tcp-proxy.ts'
import { bound, within } from './bound.ts'
import { expectNoticed } from './served.ts'

const MAX_STALENESS_MS = 1_000
const QUERY_TIMEOUT_MS = 1_000
const LOCK_TIMEOUT_MS = 2_000

const database = await createDatabase()
const writer = new PostgresCache({ connectionString: database.url, local: false })
beforeAll(() => writer.connect())
afterAll(() => writer.close())

describe('when nothing arrives any more', () => {
  let pools: TcpProxy
  let sessions: TcpProxy
  let node: NodeProcess
  beforeEach(async () => {
    pools = await TcpProxy.to(database.url)
    sessions = await TcpProxy.to(database.url)
    node = await NodeProcess.start()
    await node.run('open', {
      connectionString: pools.urlOf(database.url),
      sessionConnectionString: sessions.urlOf(database.url),
      maxStaleness: MAX_STALENESS_MS,
      queryTimeout: QUERY_TIMEOUT_MS,
      lockTimeout: LOCK_TIMEOUT_MS,
      pool: { max: 2 },
    })
    return async () => {
      await node.kill()
      await Promise.all([pools[Symbol.asyncDispose](), sessions[Symbol.asyncDispose]()])
    }
  })

  it('over the session, changes are noticed in time, loads go on, and it comes back', async () => {
    await writer.set('key', 'value')
    await node.run('hold', { key: 'key', value: 'value' })
    sessions.swallow()
    for (let round = 0; round < 3; round++) {
      await node.run('hold', { key: 'key', value: await writer.get('key') })
      await expectNoticed(node, writer, {
        key: 'key',
        maxStalenessMs: MAX_STALENESS_MS,
        what: 'session half-open: served after it was overwritten',
      })
    }
    const loading = node.run('load', { keys: ['loaded'], value: 1 })
    expect(await within('a load that finds it out', QUERY_TIMEOUT_MS + 1_000, loading)).toEqual([1])
    await expect.poll(() => node.run('reported')).toContain('session-lost')
    const next = node.run('load', { keys: ['next'], value: 2 })
    expect(await within('the next load', 500, next)).toEqual([2])
    sessions.recover()
    // The back-off of a session ends after 7.5 s at most.
    const isBack = async (): Promise<boolean> =>
      (await node.run('reported')).some((event) => event.startsWith('session-restored'))
    await expect.poll(isBack, { timeout: bound(10_000) }).toBe(true)
    expect((await node.run('stats')).flushes).toBe(0)
  })

  it('over the session of one that waits for a load, it goes on after lockTimeout', async () => {
    await using holder = new PostgresCache({ connectionString: database.url })
    const latch = new Latch()
    const held = holder.getOrSet('held', () => latch.opened.then(() => 'held'))
    const locks = (mode: string): Promise<unknown[]> =>
      database.query(
        `select from pg_locks where locktype = 'advisory' and mode = $1 and database = (select oid from pg_database where datname = current_database())`,
        [mode],
      )
    await expect.poll(() => locks('ExclusiveLock')).toHaveLength(1)
    const waiting = node.run('load', { keys: ['held'], value: 'own' })
    await expect.poll(() => locks('ShareLock')).toHaveLength(1)
    sessions.swallow()
    expect(await within('a waiter goes on', LOCK_TIMEOUT_MS + QUERY_TIMEOUT_MS + 500, waiting)).toEqual([
      'own',
    ])
    latch.open()
    expect(await held).toBe('held')
  })

  it('over the pool, it goes on without the local cache, and recovers by itself', async () => {
    await writer.set('key', 'value')
    await node.run('hold', { key: 'key', value: 'value' })
    pools.swallow()
    await expectNoticed(node, writer, {
      key: 'key',
      maxStalenessMs: MAX_STALENESS_MS,
      what: 'pool half-open: served after it was overwritten',
    })
    expect(await node.run('peek', 'key')).toBeUndefined()
    const loading = node.run('load', { keys: ['a', 'b', 'c'], value: 1 })
    expect(await within('loads without a store', 4 * QUERY_TIMEOUT_MS, loading)).toEqual([1, 1, 1])
    await expect.poll(() => node.run('reported'), { timeout: bound(15_000) }).toContain('circuit-opened')
    const set = node.run('set', { key: 'own', value: 1 }).catch(String)
    expect(await within('a set, while the circuit is open', 500, set)).toMatch(
      /unavailable|cannot be reached/,
    )
    const next = node.run('load', { keys: ['d'], value: 2 })
    expect(await within('a load, while the circuit is open', 500, next)).toEqual([2])

    pools.recover()
    const stored = async (): Promise<string> =>
      node.run('set', { key: 'own', value: 2 }).then(() => 'stored', String)
    await expect.poll(stored, { timeout: bound(15_000) }).toBe('stored')
    expect(await node.run('reported')).toContain('circuit-closed')
    expect(await node.run('getFresh', 'key')).toBe('value+')
  })
})
