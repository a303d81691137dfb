import { describe, expect, test } from 'vitest'
import { Lease } from '../../../src/memory/lease.ts'
import { ManualClock } from './manual-clock.ts'

const MAX_STALENESS_MS = 2_000

function setup() {
  const clock = new ManualClock()
  const lease = new Lease(clock, MAX_STALENESS_MS)
  /** As a hit does it: the window first, a check where it has passed. */
  const serves = (): boolean =>
    lease.covers(clock.wall()) || (lease.check() === 'live' && lease.covers(clock.wall()))
  /** As the event loop does it. */
  const pass = (ms: number): void => {
    for (let left = ms; left > 0; left -= lease.checkPeriodMs) {
      clock.advance(Math.min(left, lease.checkPeriodMs))
      lease.check()
    }
  }
  return { clock, lease, serves, pass }
}

/** The latest moment, in milliseconds that really passed since the sync, at which a hit was possible. */
function lastServed(options: { stepAt: number; stepMs: number; background: 'checks' | 'blocked' }): number {
  const { clock, lease, serves } = setup()
  lease.renew(lease.read())
  let last = 0
  for (let elapsed = 0; elapsed <= 2 * MAX_STALENESS_MS; elapsed++) {
    if (elapsed === options.stepAt) clock.step(-options.stepMs)
    if (options.background === 'checks' && elapsed % lease.checkPeriodMs === 0) lease.check()
    if (serves()) last = elapsed
    clock.advance(1)
  }
  return last
}

describe('a lease', () => {
  test('covers nothing before the first sync', () => {
    const { serves } = setup()
    expect(serves()).toBe(false)
  })

  test('covers from a sync on, and no longer than maxStaleness after it was sent', () => {
    const { clock, lease, serves } = setup()
    const sentAt = lease.read()
    clock.advance(300)
    expect(lease.renew(sentAt)).toBe('live')
    expect(serves()).toBe(true)
    let last = 0
    for (let elapsed = 300; elapsed < 3_000; elapsed++) {
      if (serves()) last = elapsed
      clock.advance(1)
    }
    expect(last).toBeGreaterThan(MAX_STALENESS_MS - 200)
    expect(last).toBeLessThan(MAX_STALENESS_MS)
  })

  test('is not renewed by a sync that took as long as the lease itself', () => {
    const { clock, lease, serves } = setup()
    const sentAt = lease.read()
    clock.advance(MAX_STALENESS_MS)
    expect(lease.renew(sentAt)).toBe('lapsed')
    expect(serves()).toBe(false)
  })

  test('is as long after a renewal as after the first sync', () => {
    const { clock, lease, serves } = setup()
    lease.renew(lease.read())
    clock.advance(1_500)
    lease.renew(lease.read())
    clock.advance(1_500)
    expect(serves()).toBe(true)
  })

  test('ends at once when it is given up, and a later sync renews it', () => {
    const { lease, serves } = setup()
    lease.renew(lease.read())
    lease.lapse()
    expect(serves()).toBe(false)
    expect(lease.end).toBe(0)
    lease.renew(lease.read())
    expect(serves()).toBe(true)
  })

  test('outlives a blocked event loop only while its end has not come', () => {
    const { clock, lease, serves } = setup()
    lease.renew(lease.read())
    clock.advance(1_500)
    expect(serves()).toBe(true)
    clock.advance(500)
    expect(serves()).toBe(false)
  })

  test('lapses when the machine was suspended, although the monotonic clock did not count that', () => {
    const { clock, lease, serves } = setup()
    lease.renew(lease.read())
    clock.suspend(10_000)
    expect(serves()).toBe(false)
  })

  test('notices a suspension shorter than the lease, too', () => {
    const { clock, lease } = setup()
    lease.renew(lease.read())
    clock.suspend(500)
    expect(lease.check()).toBe('stepped')
    expect(lease.held).toBe(false)
  })

  test('notices a forward step', () => {
    const { clock, lease } = setup()
    lease.renew(lease.read())
    clock.step(60_000)
    expect(lease.check()).toBe('stepped')
  })

  test.each([1, 10, 99, 100, 500, 1_899, 1_900, 5_000])(
    'serves nothing beyond maxStaleness when the wall clock steps back by %i ms, at whatever moment',
    (stepMs) => {
      for (let stepAt = 0; stepAt < MAX_STALENESS_MS; stepAt += 7) {
        expect(lastServed({ stepAt, stepMs, background: 'checks' })).toBeLessThan(MAX_STALENESS_MS)
      }
    },
  )

  test('serves nothing beyond maxStaleness after a step back, with hits alone and no background check', () => {
    for (let stepAt = 0; stepAt < MAX_STALENESS_MS; stepAt += 7) {
      expect(lastServed({ stepAt, stepMs: 1_000, background: 'blocked' })).toBeLessThan(MAX_STALENESS_MS)
    }
  })

  test('is refused when the clocks disagree about how long the sync took', () => {
    const { clock, lease, serves } = setup()
    const sentAt = lease.read()
    clock.step(-400)
    clock.advance(20)
    expect(lease.renew(sentAt)).toBe('stepped')
    expect(serves()).toBe(false)
  })

  test('is refused when a step was made good while the sync was under way', () => {
    const { clock, lease } = setup()
    clock.step(1_000)
    const sentAt = lease.read()
    clock.step(-1_000)
    expect(lease.renew(sentAt)).toBe('stepped')
  })

  test('takes slewing for what it is, over a lease and over hours without one', () => {
    const { clock, lease, pass } = setup()
    lease.renew(lease.read())
    pass(1_500)
    clock.step(0.7)
    expect(lease.check()).toBe('live')
    lease.lapse()
    for (let hour = 0; hour < 3_600; hour++) {
      clock.advance(1_000)
      clock.step(0.5)
      expect(lease.check()).toBe('lapsed')
    }
  })

  test('does not take a preempted clock read for a step', () => {
    class Preempted extends ManualClock {
      preemptions = 0
      override wall(): number {
        if (this.preemptions-- > 0) this.advance(30)
        return super.wall()
      }
    }
    const clock = new Preempted()
    const lease = new Lease(clock, MAX_STALENESS_MS)
    lease.renew(lease.read())
    clock.preemptions = 2
    expect(lease.check()).toBe('live')
  })

  test('checks the more often the shorter it is', () => {
    expect(new Lease(new ManualClock(), 60_000).checkPeriodMs).toBe(100)
    expect(new Lease(new ManualClock(), 200).checkPeriodMs).toBe(10)
  })
})
