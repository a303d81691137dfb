// Who holds the lock of a load dies, stands still, fails, or waits for somebody who waits for it.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../../test/database.ts'
import { group, NodeProcess } from '../../test/nodes/node-process.ts'
import { bound, within } from './bound.ts'

const LOCK_TIMEOUT_MS = 2_000
const TAKEN_OVER_MS = 1_000
const SLACK_MS = 1_000

const database = await createDatabase()
const { url } = database
beforeAll(() => database.query('create table loads (key text not null, pid integer not null)'))

describe.each(['listen', 'poll'] as const)('with notifications: %s', (notifications) => {
  let nodes: NodeProcess[]
  beforeEach(async () => {
    await database.query('truncate loads')
    nodes = await NodeProcess.startMany(2)
    const options = { connectionString: url, notifications, lockTimeout: LOCK_TIMEOUT_MS }
    await Promise.all(nodes.map((node) => node.run('open', options)))
  })
  afterEach(() => group(nodes)[Symbol.asyncDispose]())

  it('a holder that hangs keeps others for lockTimeout', async () => {
    const [holder, waiter] = nodes as [NodeProcess, NodeProcess]
    const key = `hung ${notifications}`
    void holder.run('loadForEver', { key, url }).catch(() => {})
    await expect.poll(() => database.query('table loads')).toHaveLength(1)
    holder.stop()
    const load = waiter.run('load', { keys: [key], value: 'own' })
    expect(await within('a hung holder is not waited for', LOCK_TIMEOUT_MS + SLACK_MS, load)).toEqual(['own'])
    await holder.kill()
  })

  it('two that load each other’s keys within their own both end, after lockTimeout at the latest', async () => {
    const [one, two] = nodes as [NodeProcess, NodeProcess]
    const [a, b] = [`a ${notifications}`, `b ${notifications}`]
    const both = Promise.all([
      one.run('loadNested', { outer: a, inner: b, url, loaders: 2 }),
      two.run('loadNested', { outer: b, inner: a, url, loaders: 2 }),
    ])
    const values = await within('A → B beside B → A', 2 * LOCK_TIMEOUT_MS + SLACK_MS, both)
    expect(values.every((value) => typeof value === 'string')).toBe(true)
  })

  it('loaders that fail do not queue up behind each other', async () => {
    const failMs = 700
    const key = `failing ${notifications}`
    const more = await NodeProcess.startMany(4)
    nodes.push(...more)
    const options = { connectionString: url, notifications, lockTimeout: LOCK_TIMEOUT_MS }
    await Promise.all(more.map((node) => node.run('open', options)))
    const outcomes = await Promise.all(nodes.map((node) => node.run('loadInVain', { key, ms: failMs })))
    const longestMs = Math.max(...outcomes.map(({ tookMs }) => tookMs))
    const boundMs = bound(LOCK_TIMEOUT_MS + 2 * failMs + SLACK_MS)
    console.log(
      `6 processes, failing loaders of ${failMs} ms: ${longestMs.toFixed(0)} ms (bound ${boundMs} ms)`,
    )
    expect(outcomes.map(({ message }) => message)).toEqual(nodes.map(() => 'the source is down'))
    expect(longestMs).toBeLessThan(boundMs)
  })
})

describe('a holder that is killed', () => {
  const heir = new PostgresCache({ connectionString: url, lockTimeout: '1h' })
  afterAll(() => heir.close())

  it('is succeeded within a second', async () => {
    await using holder = await NodeProcess.start()
    await holder.run('open', { connectionString: url })
    await database.query('truncate loads')
    void holder.run('loadForEver', { key: 'killed', url }).catch(() => {})
    await expect.poll(() => database.query('table loads')).toHaveLength(1)
    const inherited = heir.getOrSet('killed', () => 'taken over')
    const enlisted = `select from pg_locks where locktype = 'advisory' and mode = 'ShareLock'
      and database = (select oid from pg_database where datname = current_database())`
    await expect.poll(() => database.query(enlisted)).toHaveLength(1)
    await holder.kill()
    expect(await within('a killed holder is succeeded', TAKEN_OVER_MS, inherited)).toBe('taken over')
  })
})
