// The backend of a session is terminated again and again while others overwrite.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../../test/database.ts'
import { NodeProcess } from '../../test/nodes/node-process.ts'
import { bound } from './bound.ts'
import { expectNoticed } from './served.ts'

const ROUNDS = 10
const MAX_STALENESS_MS = 1_000
const BACK_WITHIN_MS = 1_000

const database = await createDatabase()
const writer = new PostgresCache({ connectionString: database.url, local: false })
beforeAll(() => writer.connect())
afterAll(() => writer.close())

it('each time the process is back within a second, has caught up, and has kept what it held', async () => {
  await using node = await NodeProcess.start()
  await node.run('open', { connectionString: database.url, maxStaleness: MAX_STALENESS_MS })
  await writer.setMany([
    ['key', 'value'],
    ['kept', 'kept'],
  ])
  await node.run('hold', { key: 'kept', value: 'kept' })
  const back = async (): Promise<string[]> =>
    (await node.run('reported')).filter((event) => event.startsWith('session-restored'))
  for (let round = 1; round <= ROUNDS; round++) {
    await node.run('hold', { key: 'key', value: await writer.get('key') })
    const [ended] = await database.query<{ ended: boolean }>(
      `select pg_terminate_backend(pid) as ended from pg_stat_activity
       where datname = current_database() and application_name = 'postgres-cache session'`,
    )
    expect(ended).toEqual({ ended: true })
    await expectNoticed(node, writer, {
      key: 'key',
      maxStalenessMs: MAX_STALENESS_MS,
      what: 'session terminated: served after it was overwritten',
    })
    await expect.poll(back).toHaveLength(round)
    expect(await node.run('peek', 'kept')).toBe('kept')
  }
  const tookMs = (await back()).map((event) => Number(/after (\d+) ms/.exec(event)?.[1]))
  console.log(`sessions were back after ${tookMs.join(', ')} ms (bound ${bound(BACK_WITHIN_MS)} ms)`)
  expect(Math.max(...tookMs)).toBeLessThan(bound(BACK_WITHIN_MS))
  const { flushes, sessionsLost, sessionsRestored } = await node.run('stats')
  expect({ flushes, sessionsLost, sessionsRestored }).toEqual({
    flushes: 0,
    sessionsLost: ROUNDS,
    sessionsRestored: ROUNDS,
  })
})
