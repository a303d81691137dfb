// Every history within the bounds of each family, on the code as it is.

import { afterAll, describe, expect, test } from 'vitest'
import { explore } from './explore.ts'
import { families } from './families.ts'
import type { Family } from './family.ts'
import { memoryCode } from './memory-code.ts'

const TIMEOUT_MS = 300_000

const lines: string[] = []
const sums = { families: 0, states: 0, histories: 0, ms: 0 }

describe('the local cache keeps its promises in every history of', () => {
  test.each(families)(
    '$name',
    (family) => {
      const { states, histories, longest, hits, ms, violation } = explore(family, memoryCode)
      sums.families++
      sums.states += states
      sums.histories += histories
      sums.ms += ms
      lines.push(
        `${family.name}: ${states} states, ${histories} histories of up to ${longest} events, ${hits} hits, ${seconds(ms)}`,
        `  ${showBounds(family)}`,
      )
      expect(violation).toBeNull()
    },
    TIMEOUT_MS,
  )
})

afterAll(() => {
  const { families: explored, states, histories, ms } = sums
  const sum = `${explored} families, ${states} states, ${histories} histories, ${seconds(ms)}`
  console.log([...lines, sum].join('\n'))
})

function showBounds({ keys, tags, before, bounds }: Family): string {
  const counts = Object.entries(bounds).map(([what, most]) => `${most} × ${what}`)
  return `keys ${keys.join()}, tags ${tags.join() || 'none'}, after ${before.length} events: ${counts.join(', ')}`
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
