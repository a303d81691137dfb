// A process that stood still does not know it: its clocks are all it has.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { setTimeout as delay } from 'node:timers/promises'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../../test/database.ts'
import { NodeProcess } from '../../test/nodes/node-process.ts'

const STOPPED_MS = 30_000
const BLOCKED_MS = 10_000

const database = await createDatabase()
const writer = new PostgresCache({ connectionString: database.url, local: false })
beforeAll(() => writer.connect())
afterAll(() => writer.close())

async function nodeThatHolds(key: string, notifications: 'listen' | 'poll'): Promise<NodeProcess> {
  const node = await NodeProcess.start()
  await node.run('open', { connectionString: database.url, notifications })
  await writer.set(key, 'old')
  await node.run('hold', { key, value: 'old' })
  return node
}

describe.concurrent.each(['listen', 'poll'] as const)('with notifications: %s', (notifications) => {
  it('a process that was stopped for 30 s is right at once', { timeout: 90_000 }, async () => {
    const key = `stopped ${notifications}`
    await using node = await nodeThatHolds(key, notifications)
    node.stop()
    // The first that it does afterwards, before any timer.
    const first = [node.run('peek', key), node.run('get', key)]
    await writer.set(key, 'new')
    await delay(STOPPED_MS)
    node.continue()
    const [peeked, found] = await Promise.all(first)
    expect(peeked).not.toBe('old')
    expect(found).toBe('new')
  })

  it('a process whose event loop was blocked for 10 s is right at once', { timeout: 60_000 }, async () => {
    const key = `blocked ${notifications}`
    await using node = await nodeThatHolds(key, notifications)
    const first = node.run('block', { ms: BLOCKED_MS, key })
    await writer.set(key, 'new')
    const { peeked, found } = await first
    expect(peeked).not.toBe('old')
    expect(found).toBe('new')
  })
})
