// A bound is the time-out of a wait: what holds later than that does not hold. What was measured is printed.

import { expect } from 'vitest'

// A machine that is busy with others is slow, not wrong.
const CI_FACTOR = 5

/** Milliseconds, five-fold in CI. */
export function bound(ms: number): number {
  return process.env['CI'] === undefined ? ms : ms * CI_FACTOR
}

/** Resolves as `work` does; rejects when that takes longer than the bound. */
export async function within<T>(what: string, ms: number, work: Promise<T>): Promise<T> {
  const began = performance.now()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${bound(ms)} ms`)), bound(ms))
  })
  try {
    const result = await Promise.race([work, late])
    report(what, performance.now() - began, `bound ${bound(ms)} ms`)
    return result
  } finally {
    clearTimeout(timer)
  }
}

/** For what the cache promises, and no machine excuses. */
export function expectAtMost(what: string, ms: number, limitMs: number): void {
  report(what, ms, `at most ${limitMs} ms`)
  expect(ms).toBeLessThanOrEqual(limitMs)
}

function report(what: string, ms: number, limit: string): void {
  console.log(`${what}: ${ms.toFixed(0)} ms (${limit})`)
}
