import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Deadlines } from '../../../src/postgres/deadlines.ts'

const MS = 1000

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

it('each expires by itself, however many there are', () => {
  const deadlines = new Deadlines(MS)
  const expired: string[] = []
  deadlines.begin(() => expired.push('first'))
  vi.advanceTimersByTime(400)
  const met = deadlines.begin(() => expired.push('met'))
  deadlines.begin(() => expired.push('last'))
  deadlines.end(met)
  vi.advanceTimersByTime(599)
  expect(expired).toEqual([])
  vi.advanceTimersByTime(1)
  expect(expired).toEqual(['first'])
  vi.advanceTimersByTime(399)
  expect(expired).toEqual(['first'])
  vi.advanceTimersByTime(1)
  expect(expired).toEqual(['first', 'last'])
  expect(vi.getTimerCount()).toBe(0)
})

it('one that begins while others expire has all of its time', () => {
  const deadlines = new Deadlines(MS)
  const expired: string[] = []
  deadlines.begin(() => deadlines.begin(() => expired.push('again')))
  vi.advanceTimersByTime(MS)
  vi.advanceTimersByTime(MS - 1)
  expect(expired).toEqual([])
  vi.advanceTimersByTime(1)
  expect(expired).toEqual(['again'])
})

it('leave no timer behind', () => {
  const deadlines = new Deadlines(MS)
  const expire = vi.fn<() => void>()
  const open = deadlines.begin(expire)
  deadlines.close()
  expect(vi.getTimerCount()).toBe(1)
  deadlines.end(open)
  deadlines.close()
  expect(vi.getTimerCount()).toBe(0)
  deadlines.begin(expire)
  vi.advanceTimersByTime(MS)
  expect(expire).toHaveBeenCalledOnce()
})

it('the time in which the event loop stood still does not count', async () => {
  vi.useRealTimers()
  const deadlines = new Deadlines(100)
  const expire = vi.fn<() => void>()
  deadlines.begin(expire)
  const end = performance.now() + 400
  while (performance.now() < end);
  // What was heard meanwhile is read in these turns.
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
  expect(expire).not.toHaveBeenCalled()
  await expect.poll(() => expire.mock.calls.length).toBe(1)
})
