// What much news costs. Bounds are far above what it takes, and far below what it would if each were taken in by itself.

import { expect, test } from 'vitest'
import { change, stage, targets } from './coherence-stage.ts'

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

test('reads do not look at each of the many things that an open transaction has touched', () => {
  const { coherence, sync } = stage()
  for (let i = 0; i < 50_000; i++) coherence.bypass('12', targets({ keys: [`user:${i}`] }))
  const joined = cpuMs(() => {
    for (let i = 0; i < 20_000; i++) coherence.mayJoin(`post:${i}`)
  })
  expect(joined).toBeLessThan(1_000)
  sync({ finished: ['12'] })
  expect(coherence.mayJoin('user:1')).toBe(true)
})

test('reads do not look at each of many open transactions', () => {
  const { coherence } = stage()
  const touched = Array.from({ length: 10_000 }, (_, i) => targets({ keys: [`user:${i}`] }))
  for (const [i, one] of touched.entries()) coherence.bypass(String(i), one)
  const joined = cpuMs(() => {
    for (let i = 0; i < 50_000; i++) coherence.mayJoin(`post:${i}`)
  })
  expect(joined).toBeLessThan(1_000)
  expect(coherence.mayJoin('user:1')).toBe(false)
})
