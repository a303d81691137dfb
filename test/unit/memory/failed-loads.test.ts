import { expect, test } from 'vitest'
import { FailedLoads } from '../../../src/memory/failed-loads.ts'
import { ManualClock } from './manual-clock.ts'

const error = new Error('down')
const pauses = { backoffMs: 100, errorTtlMs: 0 }

test('a failed load is not tried again before its back-off has passed', () => {
  const clock = new ManualClock()
  const failures = new FailedLoads(clock)
  expect(failures.isBackingOff('a')).toBe(false)
  failures.failed('a', error, pauses)
  expect(failures.isBackingOff('b')).toBe(false)
  clock.advance(99)
  expect(failures.isBackingOff('a')).toBe(true)
  clock.advance(1)
  expect(failures.isBackingOff('a')).toBe(false)
})

test('each failure in a row doubles it, up to 32 times, and a success ends the row', () => {
  const clock = new ManualClock()
  const failures = new FailedLoads(clock)
  const waits = Array.from({ length: 8 }, () => {
    failures.failed('a', error, pauses)
    let waited = 0
    for (; failures.isBackingOff('a'); waited += 100) clock.advance(100)
    return waited
  })
  expect(waits).toEqual([100, 200, 400, 800, 1_600, 3_200, 3_200, 3_200])
  failures.succeeded('a')
  failures.failed('a', error, pauses)
  clock.advance(100)
  expect(failures.isBackingOff('a')).toBe(false)
})

test('a wall clock that is stepped changes nothing', () => {
  const clock = new ManualClock()
  const failures = new FailedLoads(clock)
  failures.failed('a', error, pauses)
  clock.step(3_600_000)
  expect(failures.isBackingOff('a')).toBe(true)
})

test('of too many keys the one that failed longest ago is forgotten', () => {
  const failures = new FailedLoads(new ManualClock())
  failures.failed('first', error, pauses)
  failures.failed('second', error, pauses)
  failures.failed('first', error, pauses)
  for (let i = 0; i < 4_095; i++) failures.failed(`key ${i}`, error, pauses)
  expect(failures.size).toBe(4_096)
  expect(failures.isBackingOff('first')).toBe(true)
  expect(failures.isBackingOff('second')).toBe(false)
})

test('an error is remembered for as long as it is asked to be, or until a success', () => {
  const clock = new ManualClock()
  const failures = new FailedLoads(clock)
  failures.failed('a', error, pauses)
  expect(failures.remembered('a')).toBeUndefined()
  failures.failed('a', error, { backoffMs: 100, errorTtlMs: 50 })
  clock.advance(49)
  expect(failures.remembered('a')?.error).toBe(error)
  clock.advance(1)
  expect(failures.remembered('a')).toBeUndefined()
  failures.failed('a', error, { backoffMs: 100, errorTtlMs: 50 })
  failures.succeeded('a')
  expect(failures.remembered('a')).toBeUndefined()
})
