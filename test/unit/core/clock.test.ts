import { expect, test } from 'vitest'
import { systemClock } from '../../../src/core/clock.ts'

test('the wall clock counts from the epoch', () => {
  const before = Date.now()
  const wall = systemClock.wall()
  expect(wall).toBeGreaterThanOrEqual(before)
  expect(wall).toBeLessThanOrEqual(Date.now())
})

test('the monotonic clock counts milliseconds from another moment', () => {
  const before = performance.now()
  const monotonic = systemClock.monotonic()
  expect(monotonic).toBeGreaterThanOrEqual(before)
  expect(monotonic).toBeLessThanOrEqual(performance.now())
})
