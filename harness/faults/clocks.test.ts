// Clocks that are wrong, and clocks that are set while everything runs.

import { expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../../test/database.ts'
import { nextEvent } from '../../test/next-event.ts'
import { NodeProcess } from '../../test/nodes/node-process.ts'
import { startOwnServer } from '../../test/own-server.ts'
import { bound, expectAtMost, within } from './bound.ts'
import { FakeClock } from './fake-clock.ts'
import { describeWith } from './tools.ts'

const TTL_MS = 1_500
// Reads are this far apart, and a sync may fall between two of them.
const ROUND_TRIP_MS = 250
const MAX_STALENESS_MS = 1_000
const HOUR_S = 3_600

describeWith('libfaketime (apt-get install faketime)', 'a clock', () => {
  it.each([HOUR_S, -HOUR_S])('of a process that is %i s off changes nothing about expiry', async (offset) => {
    const database = await createDatabase()
    using clock = new FakeClock(offset)
    await using right = new PostgresCache({ connectionString: database.url })
    await using wrong = await NodeProcess.start({ environment: clock.environment })
    await wrong.run('open', { connectionString: database.url })
    expect(Math.abs((await wrong.run('wallClock')) - Date.now() - offset * 1_000)).toBeLessThan(bound(1_000))

    const began = process.hrtime.bigint()
    await right.set('key', 'value', { ttl: TTL_MS })
    const ended = process.hrtime.bigint()
    await wrong.run('hold', { key: 'key', value: 'value' })
    const served = BigInt(await wrong.run('lastServed', { key: 'key', value: 'value' }))
    expectAtMost('served after its ttl', Math.max(0, Number(served - ended) / 1e6 - TTL_MS), 0)
    expectAtMost('given up before its ttl', TTL_MS - Number(served - began) / 1e6, bound(ROUND_TRIP_MS))

    await wrong.run('setFor', { key: 'own', value: 'value', ttl: TTL_MS })
    expect(await right.get('own')).toBe('value')
    await expect.poll(() => right.get('own', { fresh: true })).toBeUndefined()
  })

  it.each([HOUR_S, -HOUR_S])('of a process that is set by %i s lets nothing old be served', async (step) => {
    const database = await createDatabase()
    using clock = new FakeClock(0)
    await using writer = new PostgresCache({ connectionString: database.url, local: false })
    await using node = await NodeProcess.start({ environment: clock.environment })
    await node.run('open', {
      connectionString: database.url,
      maxStaleness: MAX_STALENESS_MS,
      notifications: 'poll',
    })
    await writer.set('key', 'old')
    await node.run('hold', { key: 'key', value: 'old' })
    const served = node.run('lastServed', { key: 'key', value: 'old' })
    clock.set(step)
    await writer.set('key', 'new')
    const acknowledged = process.hrtime.bigint()
    const lateMs = Number(BigInt(await served) - acknowledged) / 1e6
    expectAtMost('clock set: served after it was overwritten', Math.max(0, lateMs), MAX_STALENESS_MS)
    await expect.poll(() => node.run('reported')).toContain('flushed')
  })

  it.each([HOUR_S, -HOUR_S])('of the database that is set by %i s empties local caches', async (step) => {
    using clock = new FakeClock(0)
    await using server = await startOwnServer({}, clock.environment)
    await using cache = new PostgresCache({ connectionString: server.url, maxStaleness: MAX_STALENESS_MS })
    await cache.set('short', 'value', { ttl: '30m' })
    await cache.set('long', 'value', { ttl: '3h' })
    expect(await cache.getMany(['short', 'long'])).toEqual(['value', 'value'])
    const flushed = nextEvent(cache, 'flushed')
    clock.set(step)
    const reading = setInterval(() => void cache.get('long'), 50)
    try {
      const { reason } = await within('the step is noticed', MAX_STALENESS_MS + 500, flushed)
      expect(reason).toBe('clock')
    } finally {
      clearInterval(reading)
    }
    // The database's clock decides: an hour ahead, half an hour is over.
    expect(await cache.getMany(['short', 'long'])).toEqual([step > 0 ? undefined : 'value', 'value'])
    await cache.set('after', 'value', { ttl: TTL_MS })
    expect(await cache.get('after')).toBe('value')
    await expect.poll(() => cache.get('after')).toBeUndefined()
  })
})
