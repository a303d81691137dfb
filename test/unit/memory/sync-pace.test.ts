import { describe, expect, it } from 'vitest'
import { SyncPace } from '../../../src/memory/sync-pace.ts'

/** One sync after the other; returns how long the next had better wait. */
function restAfter(tookMs: readonly number[]): number {
  const pace = new SyncPace()
  let now = 0
  for (const ms of tookMs) {
    pace.begin(now)
    now += ms
    pace.end(now)
  }
  return pace.restMs(now - (tookMs.at(-1) ?? 0))
}

const times = (count: number, ms: number): number[] => Array<number>(count).fill(ms)

describe('the syncs that hints ask for', () => {
  it('follow at once before there was any', () => {
    expect(new SyncPace().restMs(0)).toBe(-Infinity)
  })

  it('follow at once where none has waited in a queue, however long the way to the server is', () => {
    expect(restAfter(times(50, 40))).toBe(0)
  })

  it('wait until those that came before take a fiftieth of the time beyond the fastest', () => {
    const rest = restAfter([1, ...times(30, 6)])
    expect(rest).toBeGreaterThan(200)
    expect(rest).toBeLessThan(250)
  })

  it('wait for a second at most', () => {
    expect(restAfter([1, ...times(60, 500)])).toBeCloseTo(1_000, -1)
  })

  it('hardly mind a single one that was slow', () => {
    expect(restAfter([...times(50, 1), 10_000])).toBeCloseTo(125)
    expect(restAfter([...times(50, 1), 10_000, ...times(20, 1)])).toBeLessThan(10)
  })

  it('take a longer way to the server for what it is after a while', () => {
    expect(restAfter([1, ...times(800, 20)])).toBeLessThan(1)
  })

  it('are counted from when the last one began', () => {
    const pace = new SyncPace()
    for (const begun of [0, 100]) {
      pace.begin(begun)
      pace.end(begun + 1 + begun / 10)
    }
    expect(pace.restMs(120) - pace.restMs(150)).toBe(30)
  })
})
