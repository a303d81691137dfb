import { describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { NodeProcess } from './node-process.ts'

const WRITES = 300
const key = 'watched'

function describeDelays(delaysNs: readonly bigint[]): string {
  const sorted = delaysNs.map((ns) => Number(ns) / 1e6).toSorted((one, other) => one - other)
  const percentiles = [50, 95, 99].map((percent) => {
    const ms = sorted[Math.ceil((sorted.length * percent) / 100) - 1] ?? Number.NaN
    return `p${percent} ${ms.toFixed(2)} ms`
  })
  return percentiles.join(', ')
}

describe('between two processes that are otherwise idle', () => {
  it(`each of ${WRITES} writes is heard of within a second`, { timeout: 90_000 }, async () => {
    const { url: connectionString } = await createDatabase()
    await using writer = new PostgresCache({ connectionString, local: false })
    await using reader = await NodeProcess.start()
    // Nothing but a hint makes it let go in time.
    await reader.run('open', { connectionString, maxStaleness: '10m' })
    await writer.set(key, 0)

    const sinceSent: bigint[] = []
    const sinceAcknowledged: bigint[] = []
    for (let i = 1; sinceSent.length < WRITES; i++) {
      // The sync that trails the last hint is over: the gate lets the next one through.
      await reader.run('hold', { key, value: i - 1 })
      const evicted = reader.run('evictedAt', key)
      const sentAt = process.hrtime.bigint()
      await writer.set(key, i)
      const acknowledgedAt = process.hrtime.bigint()
      const evictedAt = BigInt(await evicted)
      if (evictedAt < sentAt) continue // for another reason
      sinceSent.push(evictedAt - sentAt)
      sinceAcknowledged.push(evictedAt - acknowledgedAt)
    }
    console.log(`evicted elsewhere after a write was sent: ${describeDelays(sinceSent)}`)
    console.log(`after it was acknowledged (negative: before): ${describeDelays(sinceAcknowledged)}`)
    expect(sinceSent.filter((ns) => ns > 1_000_000_000n)).toEqual([])
  })
})
