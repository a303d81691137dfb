import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CacheOptions } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { NodeProcess } from './node-process.ts'

const PROCESSES = 8
const CALLERS = 50

const database = await createDatabase()
const url = database.url
await database.query('create table loads (key text not null, pid integer not null)')
let nodes: NodeProcess[] = []

beforeAll(async () => {
  nodes = await NodeProcess.startMany(PROCESSES)
}, 120_000)
afterAll(() => Promise.all(nodes.map((node) => node[Symbol.asyncDispose]())))

async function openAll(options: CacheOptions): Promise<void> {
  await Promise.all(nodes.map((node) => node.run('close')))
  await Promise.all(nodes.map((node) => node.run('open', options)))
}

const loadsOf = (key: string): Promise<unknown[]> =>
  database.query('select pid from loads where key = $1', [key])

function stampede(key: string, ms: number): Promise<unknown[][]> {
  return Promise.all(nodes.map((node) => node.run('stampede', { key, callers: CALLERS, url, ms })))
}

describe.each(['listen', 'poll'] as const)('with notifications: %s', (notifications) => {
  // A loser waits for longer than any machine is slow.
  beforeAll(() =>
    openAll({
      connectionString: url,
      notifications,
      pool: { max: 2 },
      lockTimeout: '20s',
      queryTimeout: '20s',
    }),
  )

  it(`${PROCESSES} processes × ${CALLERS} callers that miss the same key run the loader once`, async () => {
    const key = `stampede ${notifications}`
    const everywhere = nodes.map(() => [`value of ${key}`])
    expect(await stampede(key, 50)).toEqual(everywhere)
    expect(await loadsOf(key)).toHaveLength(1)
    expect(await stampede(key, 50)).toEqual(everywhere)
    expect(await loadsOf(key)).toHaveLength(1)
  })

  it('many keys at once are loaded once each', async () => {
    const keys = Array.from({ length: 10 }, (_, i) => `many ${notifications} ${i}`)
    await Promise.all(keys.map((key) => stampede(key, 20)))
    for (const key of keys) expect(await loadsOf(key)).toHaveLength(1)
  })

  it('an invalidation makes all of them load once more', async () => {
    const key = `again ${notifications}`
    await stampede(key, 20)
    await database.query('select postgres_cache.invalidate($1)', [key])
    await Promise.all(nodes.map((node) => node.run('sync')))
    expect(await stampede(key, 20)).toEqual(nodes.map(() => [`value of ${key}`]))
    expect(await loadsOf(key)).toHaveLength(2)
  })
})

describe('processes that share a cache', () => {
  beforeAll(() => openAll({ connectionString: url, lockTimeout: '20s', queryTimeout: '20s' }))

  it('let go of what one of them writes', async () => {
    const [writer, ...readers] = nodes as [NodeProcess, ...NodeProcess[]]
    for (const round of [1, 2, 3]) {
      const before = { key: 'shared', value: `before ${round}` }
      await writer.run('set', before)
      await Promise.all(readers.map((node) => node.run('hold', before)))
      const found = readers.map((node) => node.run('getEvicted', before))
      await writer.run('set', { key: 'shared', value: `after ${round}` })
      expect(await Promise.all(found)).toEqual(readers.map(() => `after ${round}`))
    }
  })

  it('take over the load of one that is killed', async () => {
    const key = 'orphan'
    const [doomed, heir] = nodes as [NodeProcess, NodeProcess]
    const failure = doomed.run('loadForEver', { key, url }).catch(String)
    await expect.poll(() => loadsOf(key)).toHaveLength(1)
    const inherited = heir.run('stampede', { key, callers: CALLERS, url, ms: 1 })
    const enlisted = `select from pg_locks where locktype = 'advisory' and mode = 'ShareLock'
      and database = (select oid from pg_database where datname = current_database())`
    await expect.poll(() => database.query(enlisted)).toHaveLength(1)

    await doomed.kill()
    const killed = performance.now()
    expect(await inherited).toEqual([`value of ${key}`])
    // Nobody signals, so it looks again every 500 ms; lockTimeout would be 20 s.
    expect(performance.now() - killed).toBeLessThan(10_000)
    expect(await failure).toContain('SIGKILL')
  })
})
