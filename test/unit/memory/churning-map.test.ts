import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { ChurningMap } from '../../../src/memory/churning-map.ts'

test('answers as a map does, whatever has come and gone', () => {
  const map = new ChurningMap<{ of: number }>()
  const model = new Map<string, { of: number }>()
  // Some keys come back, most never do, and a few stay.
  for (let i = 0; i < 20_000; i++) {
    const key = i % 3 === 0 ? `often ${i % 100}` : `once ${i}`
    map.set(key, { of: i })
    model.set(key, { of: i })
    const gone = i % 500 === 0 ? 'never was' : `once ${i - 50}`
    map.delete(gone)
    map.delete(gone)
    model.delete(gone)
    expect(map.size).toBe(model.size)
    expect(map.get(gone)).toBeUndefined()
  }
  for (const [key, value] of model) expect(map.get(key)).toEqual(value)

  map.clear()
  expect(map.size).toBe(0)
  for (const key of model.keys()) expect(map.get(key)).toBeUndefined()
  map.set('after', { of: 1 })
  expect(map.size).toBe(1)
})

// What is left of 128,000 objects that have gone through a map, in batches of which three are there at a time. In a process of its own, one for each map: a
// test runner has its own ways with the heap, and what ran before decides what is promoted.
const PROGRAM = `
  import { ChurningMap } from './src/memory/churning-map.ts'
  const map = process.argv[1] === 'native' ? new Map() : new ChurningMap()
  const BATCH = 128
  const turn = (first) => {
    for (let i = first; i < first + BATCH; i++) map.set('key ' + (i % 10_000), { i, more: { i } })
    for (let i = first; i < first + BATCH; i++) map.delete('key ' + ((i - 2 * BATCH) % 10_000))
  }
  for (let i = 2; i < 10; i++) turn(i * BATCH)
  for (let i = 0; i < 2; i++) gc({ type: 'minor' }) // promote all that lives
  const before = process.memoryUsage().heapUsed
  for (let i = 10; i < 1_010; i++) turn(i * BATCH)
  gc({ type: 'minor' })
  console.log(process.memoryUsage().heapUsed - before)
`

const MIB = 1024 * 1024

function leftBy(map: 'ours' | 'native'): number {
  const flags = ['--expose-gc', '--import', 'tsx', '--input-type=module', '--eval', PROGRAM]
  return Number(execFileSync(process.execPath, [...flags, map])) / MIB
}

test('what has gone is no burden to minor collections', () => {
  const left = leftBy('ours')
  console.log(`${left.toFixed(1)} MiB left by ours, ${leftBy('native').toFixed(1)} by JavaScript's own`)
  expect(left).toBeLessThan(4)
})
