// Caches that come and go: closed at any moment, in a thread that ends, in a process that forks.

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../../test/database.ts'
import { NodeProcess } from '../../test/nodes/node-process.ts'

const CYCLES = 1_000
const MAX_EXTRA_MIB = 64

const database = await createDatabase()
const connectionString = database.url
await PostgresCache.migrate({ connectionString })

const left = (): Promise<unknown[]> =>
  database.query(
    `select pid, query from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
     and backend_type = 'client backend'`,
  )

it(
  'close() at any moment, a thousand times, hangs nowhere and leaves nothing',
  { timeout: 180_000 },
  async () => {
    await using node = await NodeProcess.start()
    const outcome = await node.run('openAndClose', { cycles: CYCLES, options: { connectionString } })
    console.log(
      `${CYCLES} caches closed, the slowest in ${outcome.slowestMs.toFixed(0)} ms; ` +
        `${outcome.extraMib.toFixed(1)} MiB more heap after the first half (bound ${MAX_EXTRA_MIB} MiB)`,
    )
    expect(outcome.codes.filter((code) => code !== 'closed')).toEqual([])
    expect(outcome.handles).toEqual([])
    expect(outcome.extraMib).toBeLessThan(MAX_EXTRA_MIB)
    await expect.poll(left).toEqual([])
  },
)

it('a worker thread that is terminated in the middle of a load leaves nothing', async () => {
  await using cache = new PostgresCache({ connectionString })
  await cache.set('shared', 'value')
  const program = JSON.stringify(new URL('worker.ts', import.meta.url).href)
  const worker = new Worker(
    `import('tsx/esm/api').then(({ tsImport }) => tsImport(${program}, ${program}))`,
    {
      eval: true,
      workerData: connectionString,
    },
  )
  expect(await once(worker, 'message')).toEqual(['value'])
  const loading = cache.getOrSet('loading', () => 'taken over')
  await worker.terminate()
  expect(await loading).toBe('taken over')
  await cache.close()
  await expect.poll(left).toEqual([])
})

it('a process that is forked from one with a cache, and killed, disturbs nobody', async () => {
  await using cache = new PostgresCache({ connectionString })
  await cache.set('shared', 'before')
  const child = await NodeProcess.start()
  await child.run('open', { connectionString })
  await child.run('hold', { key: 'shared', value: 'before' })
  await cache.set('shared', 'after')
  expect(await child.run('getEvicted', { key: 'shared', value: 'before' })).toBe('after')
  await child.kill()
  await cache.set('shared', 'later')
  expect(await cache.get('shared', { fresh: true })).toBe('later')
  expect(cache.stats()).toMatchObject({ sessionsLost: 0, errors: 0 })
})
