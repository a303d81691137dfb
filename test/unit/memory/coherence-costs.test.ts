// What much news costs. Bounds are far above what it takes, and far below what it would if each were taken in by itself.

import { expect, test } from 'vitest'
import { change, stage } from './coherence-stage.ts'

const ENTRIES = 60_000
const MANY = 5_000

/** Of this process. */
function cpuMs(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000
}

test.each(['keyPrefixes', 'tagPrefixes'] as const)(
  'a sync that tells of many %s passes once over what is held',
  (kind) => {
    const { coherence, read, sync } = stage({ maxEntries: ENTRIES, maxBytes: 1e9 })
    for (let i = 0; i < ENTRIES; i++) read('1', { tags: [`user:${i}:`] }, `user:${i}:`)
    const changes = Array.from({ length: MANY }, (_, i) =>
      change(String(i + 2), { [kind]: [`user:${i * 20}:`] }),
    )
    expect(cpuMs(() => sync({ changes }))).toBeLessThan(1_000)
    expect(coherence.size).toBe(ENTRIES - ENTRIES / 20)
  },
)
