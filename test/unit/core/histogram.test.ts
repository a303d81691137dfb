import { describe, expect, test } from 'vitest'
import { type Histogram, HistogramRecorder, MS_BOUNDS } from '../../../src/core/histogram.ts'

function record(bounds: readonly number[], values: Iterable<number>): Histogram {
  const recorder = new HistogramRecorder(bounds)
  for (const value of values) recorder.record(value)
  return recorder.toHistogram()
}

describe('a histogram', () => {
  test('counts a value in the bucket whose bound it does not exceed, and above them all in the last', () => {
    const { counts, count, sum, max } = record([1, 2, 5], [0, 1, 1.5, 2, 2.1, 5, 6, 100])
    expect(counts).toEqual([2, 2, 2, 2])
    expect({ count, sum, max }).toEqual({ count: 8, sum: 117.6, max: 100 })
  })

  test('is all zero before the first value', () => {
    expect(record([1, 2], [])).toEqual({
      count: 0,
      sum: 0,
      max: 0,
      p50: 0,
      p95: 0,
      p99: 0,
      bounds: [1, 2],
      counts: [0, 0, 0],
    })
  })

  test('estimates a quantile no further off than the bucket that it lies in', () => {
    // 0.01 ms to 100 ms
    const values = Array.from({ length: 10_000 }, (_, i) => (i + 1) / 100)
    const { p50, p95, p99 } = record(MS_BOUNDS, values)
    expect(p50).toBeCloseTo(50, 0)
    expect(p95).toBeCloseTo(95, 0)
    expect(p99).toBeCloseTo(99, 0)
  })

  test('estimates no quantile above the largest value, also where that is above every bound', () => {
    const { p50, p99 } = record([1, 2], [1.1])
    expect([p50 <= 1.1, p99 <= 1.1]).toEqual([true, true])
    expect(record([1, 2], [8, 8, 8]).p99).toBeLessThanOrEqual(8)
    expect(record([1, 2], [8, 8, 8]).p99).toBeGreaterThan(2)
  })

  test('is a copy', () => {
    const recorder = new HistogramRecorder([1])
    const before = recorder.toHistogram()
    recorder.record(1)
    expect(before.counts).toEqual([0, 0])
  })

  test('has bounds for durations that are never more than two and a half times apart', () => {
    const steps = MS_BOUNDS.slice(1).map((bound, i) => bound / (MS_BOUNDS[i] as number))
    expect(steps.every((step) => step > 1.9 && step < 2.6)).toBe(true)
  })
})
