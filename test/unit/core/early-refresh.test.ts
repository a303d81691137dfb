import { expect, test } from 'vitest'
import { isDueEarly } from '../../../src/core/early-refresh.ts'

/** How many of evenly spread random numbers make it due. */
function share(remainingMs: number): number {
  const draws = Array.from({ length: 1_000 }, (_, i) => i / 1_000)
  return draws.filter((random) => isDueEarly(remainingMs, 100, random)).length / 1_000
}

test('nothing is due before the window', () => {
  expect(share(100)).toBe(0)
  expect(share(Infinity)).toBe(0)
})

test('in the window it is the likelier the nearer the end, and certain at the end', () => {
  expect(share(99)).toBeCloseTo(0.019, 2)
  expect(share(50)).toBeCloseTo(0.135, 2)
  expect(share(10)).toBeCloseTo(0.67, 2)
  expect(share(0)).toBe(1)
})

test('without a window nothing ever is', () => {
  expect(isDueEarly(0, 0, 0.999)).toBe(false)
})
