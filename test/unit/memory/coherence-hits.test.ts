import { describe, expect, test } from 'vitest'
import { Coherence } from '../../../src/memory/coherence.ts'
import { DATABASE_AHEAD_MS, KEY, present, stage } from './coherence-stage.ts'
import type { ManualClock } from './manual-clock.ts'

describe('a hit', () => {
  test('returns what a read has brought', () => {
    const { held, read } = stage()
    expect(read('1')).toBe('stored')
    expect(held()).toBe('1')
  })

  test('needs a lease that has not lapsed', () => {
    const { clock, held, read, sync } = stage()
    read('1')
    clock.advance(2_000)
    expect(held()).toBeUndefined()
    sync()
    expect(held()).toBe('1')
  })

  test('needs an entry that is fresh, by the time its read was sent', () => {
    const { clock, coherence, held } = stage()
    const token = coherence.open(KEY)
    clock.advance(400)
    coherence.settle(token, present(token, '1', { freshMs: 1_000 }))
    clock.advance(599)
    expect(held()).toBe('1')
    clock.advance(1)
    expect(held()).toBeUndefined()
  })

  test('evicts what is past its last deadline', () => {
    const { clock, held, log, read } = stage()
    read('1', { freshMs: 1_000, keepMs: 1_000 })
    clock.advance(1_000)
    held()
    expect(log).toEqual([`evicted ${KEY}: expired`])
  })

  test('is not to be had before the first sync', () => {
    const { clock } = stage()
    const coherence = new Coherence({
      clock,
      maxStalenessMs: 2_000,
      maxEntries: 10,
      maxBytes: 10_000,
      joins: [],
      listener: { evicted: () => {}, outdated: () => {}, flushed: () => {} },
    })
    const token = coherence.open(KEY)
    expect(coherence.settle(token, present(token, '1'))).toBe('foreign-world')
    expect(coherence.hit(KEY)).toBeUndefined()
  })
})

describe('the last known entry', () => {
  test('is there without a lease and past its freshness, until its last deadline', () => {
    const { clock, coherence, read } = stage()
    read('1', { freshMs: 1_000, keepMs: 10_000 })
    clock.advance(9_999)
    expect(coherence.lastKnown(KEY)?.version).toBe('1')
    clock.advance(1)
    expect(coherence.lastKnown(KEY)).toBeUndefined()
  })

  test('is gone once the clocks were stepped, because its deadline means nothing then', () => {
    const { clock, coherence, read } = stage()
    read('1')
    clock.step(-5_000)
    expect(coherence.lastKnown(KEY)).toBeUndefined()
  })
})

describe('the clocks', () => {
  test.each([
    ['a backward step', (clock: ManualClock) => clock.step(-1_000)],
    ['a forward step', (clock: ManualClock) => clock.step(1_000)],
    ['a suspended machine', (clock: ManualClock) => clock.suspend(1_000)],
  ])('%s is noticed by the background check, which flushes', (_name, happen) => {
    const { clock, coherence, held, log, read } = stage()
    read('1')
    happen(clock)
    coherence.check()
    expect(log).toEqual(['detach all', 'flushed 1: clock'])
    expect(held()).toBeUndefined()
  })

  test('a step is noticed by a sync that nothing preceded', () => {
    const { clock, held, log, read, sync } = stage()
    read('1')
    clock.step(-1_000)
    sync({ databaseNow: clock.wall() + 1_000 + DATABASE_AHEAD_MS })
    expect(log).toContain('flushed 1: clock')
    expect(held()).toBeUndefined()
  })
})

test('after close() nothing is served, stored or renewed', () => {
  const { coherence, held, read, sync } = stage()
  read('1')
  coherence.close()
  sync()
  expect(held()).toBeUndefined()
  expect(read('1')).toBe('not-stored')
  expect(coherence.size).toBe(0)
})
