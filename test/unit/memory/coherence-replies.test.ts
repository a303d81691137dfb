import { describe, expect, test } from 'vitest'
import { ABSENT, change, KEY, present, stage } from './coherence-stage.ts'

describe('a reply', () => {
  test('that a hint has overtaken does not fill the local cache', () => {
    const { coherence, held } = stage()
    const token = coherence.open(KEY)
    coherence.apply(change('2', { keys: [KEY] }))
    expect(coherence.settle(token, present(token, '1'))).toBe('not-stored')
    expect(held()).toBeUndefined()
  })

  test('that brings the version the hint told of fills it', () => {
    const { coherence, held } = stage()
    const token = coherence.open(KEY)
    coherence.apply(change('2', { keys: [KEY] }))
    coherence.settle(token, present(token, '2'))
    expect(held()).toBe('2')
  })

  test('evicts an entry of another version even where it may not be stored itself', () => {
    const { coherence, held, read } = stage()
    const older = coherence.open(KEY)
    const token = coherence.open(KEY)
    coherence.settle(older, present(older, '1'))
    expect(held()).toBe('1')
    expect(coherence.settle(token, present(token, '2'))).toBe('not-stored')
    expect(held()).toBeUndefined()
    read('2')
    expect(held()).toBe('2')
  })

  test('leaves an entry of its own version alone where it may not be stored', () => {
    const { coherence, held, read } = stage()
    const token = coherence.open(KEY)
    coherence.apply(change('9', { tags: ['elsewhere'] }))
    read('1')
    expect(coherence.settle(token, present(token, '1'))).toBe('not-stored')
    expect(held()).toBe('1')
  })

  test('of absence evicts, is never stored, and keeps out an older reply with a row', () => {
    const { coherence, held, read } = stage()
    read('1')
    const late = coherence.open(KEY)
    const token = coherence.open(KEY)
    expect(coherence.settle(token, ABSENT)).toBe('not-stored')
    expect(held()).toBeUndefined()
    expect(coherence.settle(late, present(late, '1'))).toBe('not-stored')
    expect(held()).toBeUndefined()
  })

  test('that two changes have overtaken is not stored, although the last one heard is the one it brings', () => {
    const { coherence, held } = stage()
    const token = coherence.open(KEY)
    coherence.apply(change('3', { keys: [KEY] }))
    coherence.apply(change('2', { keys: [KEY] }))
    expect(coherence.settle(token, present(token, '2'))).toBe('not-stored')
    expect(held()).toBeUndefined()
  })

  test('from another world evicts whatever its version says, and asks for a sync', () => {
    const { coherence, held, read } = stage()
    read('1')
    const late = coherence.open(KEY)
    const token = coherence.open(KEY)
    expect(coherence.settle(token, { ...present(token, '1'), world: 'world-2' })).toBe('foreign-world')
    expect(held()).toBeUndefined()
    expect(coherence.settle(late, present(late, '1'))).toBe('foreign-world')
    expect(held()).toBeUndefined()
  })

  test('is stored again once a sync that began after a reply from another world has told which one counts', () => {
    const { coherence, held, read, sync } = stage()
    const sentAt = coherence.beginSync()
    const token = coherence.open('other')
    coherence.settle(token, { ...present(token, '1'), world: 'world-2' })
    sync({ sentAt })
    expect(read('1')).toBe('foreign-world')
    sync()
    expect(read('1')).toBe('stored')
    expect(held()).toBe('1')
  })

  test('that the lease has not outlived is served once a sync has told what it missed', () => {
    const { clock, coherence, held, sync } = stage()
    const [early, late] = [coherence.open(KEY), coherence.open('other')]
    clock.advance(2_000)
    coherence.settle(early, present(early, '1'))
    expect(held()).toBeUndefined()
    sync()
    coherence.settle(late, present(late, '1'))
    expect([held(), held('other')]).toEqual(['1', '1'])
  })

  test('that the lease has not outlived is not served when it missed what the next sync tells', () => {
    const { clock, coherence, held, sync } = stage()
    const [early, late] = [coherence.open(KEY), coherence.open('other')]
    clock.advance(2_000)
    coherence.settle(early, present(early, '1'))
    sync({ changes: [change('2', { keys: [KEY, 'other'] })] })
    coherence.settle(late, present(late, '1'))
    expect([held(), held('other')]).toEqual([undefined, undefined])
  })

  test('to a read that a tag invalidation has overtaken is not stored, whatever its tags', () => {
    const { coherence, held } = stage()
    const token = coherence.open(KEY)
    coherence.apply(change('2', { tags: ['profiles'] }))
    coherence.settle(token, present(token, '1'))
    expect(held()).toBeUndefined()
  })

  test('ends joining: its caller must not see less afterwards', () => {
    const { coherence, log } = stage()
    const token = coherence.open(KEY)
    coherence.settle(token, present(token, '1'))
    expect(log).toEqual([`detach ${KEY}`])
  })

  test('too large for the local cache evicts what was there', () => {
    const { held, read } = stage()
    read('1')
    expect(read('2', { text: JSON.stringify('x'.repeat(2_000_000)) })).toBe('not-stored')
    expect(held()).toBeUndefined()
  })
})

describe('an own write', () => {
  test('is served from the local cache once it is acknowledged', () => {
    const { coherence, held } = stage()
    const token = coherence.open(KEY)
    expect(coherence.settle(token, present(token, '5'))).toBe('stored')
    expect(held()).toBe('5')
  })

  test('keeps out the reads under way that did not see it, and nobody joins one', () => {
    const { coherence, held, log } = stage()
    const read = coherence.open(KEY)
    const write = coherence.open(KEY)
    coherence.settle(write, present(write, '5'))
    expect(log).toEqual([`detach ${KEY}`])
    coherence.settle(read, present(read, '4'))
    expect(held()).toBeUndefined()
  })

  test('is not stored when another change of the key was heard meanwhile', () => {
    const { coherence, held } = stage()
    const token = coherence.open(KEY)
    coherence.apply(change('6', { keys: [KEY] }))
    coherence.settle(token, present(token, '5'))
    expect(held()).toBeUndefined()
  })

  test('that was never made changes nothing', () => {
    const { coherence, held, log, read } = stage()
    read('1')
    coherence.abandon(coherence.open(KEY))
    expect(held()).toBe('1')
    expect(log).toEqual([])
  })
})

test('a key that is forgotten is evicted, keeps out what is under way, and nobody joins that', () => {
  const { coherence, held, log, read } = stage()
  read('1')
  const pending = coherence.open(KEY)
  coherence.forget(coherence.open(KEY))
  expect(log).toEqual([`evicted ${KEY}: changed`, `detach ${KEY}`])
  expect(coherence.settle(pending, present(pending, '1'))).toBe('not-stored')
  expect(held()).toBeUndefined()
})
