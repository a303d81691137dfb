import { describe, expect, test } from 'vitest'
import { change, DATABASE_AHEAD_MS, KEY, present, stage, WORLD } from './coherence-stage.ts'

describe('a sync', () => {
  test('applies what it brings', () => {
    const { held, read, sync } = stage()
    read('1')
    read('1', {}, 'other')
    sync({ changes: [change('2', { keys: [KEY] })] })
    expect(held()).toBeUndefined()
    expect(held('other')).toBe('1')
  })

  test.each([
    ['a gap in the feed', { cursor: 'gap' }, 'gap'],
    ['another world', { world: 'world-2' }, 'world'],
    ['recovery', { world: null }, 'recovery'],
    ['a stepped database clock', { databaseNow: 0 }, 'clock'],
  ] as const)('flushes for %s and keeps out what is under way', (_name, fields, reason) => {
    const { coherence, log, read, sync } = stage()
    read('1')
    const token = coherence.open(KEY)
    sync(fields)
    expect(log).toEqual(['detach all', `flushed 1: ${reason}`])
    expect(coherence.settle(token, present(token, '1'))).not.toBe('stored')
  })

  test('from another world makes its replies the ones that count', () => {
    const { coherence, held, sync } = stage()
    sync({ world: 'world-2' })
    const token = coherence.open(KEY)
    coherence.settle(token, { ...present(token, '1'), world: 'world-2' })
    expect(held()).toBe('1')
  })

  test('in recovery gives no lease', () => {
    const { coherence, sync } = stage()
    sync({ world: null })
    expect(coherence.leaseEnd).toBe(0)
    const token = coherence.open(KEY)
    expect(coherence.settle(token, { ...present(token, '1'), world: null })).toBe('foreign-world')
  })

  test('does not flush because it was slow', () => {
    const { clock, coherence, held, read } = stage()
    read('1')
    const sentAt = coherence.beginSync()
    const databaseNow = clock.wall() + DATABASE_AHEAD_MS
    clock.advance(900)
    coherence.synced({ sentAt, world: WORLD, cursor: 'continued', changes: [], databaseNow, finished: [] })
    expect(held()).toBe('1')
  })

  test('is wanted only where something was read since the last one', () => {
    const { coherence, held, sync } = stage()
    expect(coherence.wantsSync).toBe(false)
    held()
    expect(coherence.wantsSync).toBe(true)
    sync()
    expect(coherence.wantsSync).toBe(false)
  })

  test('is not wanted by what is written, or read for nobody', () => {
    const { coherence, read } = stage()
    read('1')
    expect(coherence.wantsSync).toBe(false)
    expect(coherence.isInUse).toBe(false)
  })

  test('what is held is in use until maxStaleness after somebody last asked', () => {
    const { clock, coherence, held, read, sync } = stage()
    expect(coherence.isInUse).toBe(false)
    read('1')
    held()
    expect(coherence.isInUse).toBe(true)
    sync()
    clock.advance(1_999)
    sync()
    expect(coherence.isInUse).toBe(true)
    clock.advance(1)
    expect(coherence.isInUse).toBe(false)
    held()
    expect(coherence.isInUse).toBe(true)
  })
})

test('detachAll() ends joining for every key', () => {
  const { coherence, log } = stage()
  coherence.detachAll()
  expect(log).toEqual(['detach all'])
})
