import { describe, expect, test } from 'vitest'
import type { Targets } from '../../../src/memory/bypass.ts'
import { ABSENT, change, KEY, present, type Stage, stage, targets } from './coherence-stage.ts'

describe('a change', () => {
  test('evicts an entry of another version and ends joining', () => {
    const { coherence, log, read } = stage()
    read('1')
    coherence.apply(change('2', { keys: [KEY] }))
    expect(log).toEqual([`evicted ${KEY}: changed`, `outdated ${KEY}, read in vain 0 times`, `detach ${KEY}`])
  })

  test('says how often the entry was read anew and nobody asked for it', () => {
    const { coherence, held, log, read } = stage()
    read('1')
    const entry = coherence.lastKnown(KEY)
    if (entry !== undefined) entry.readInVain = 3
    coherence.apply(change('2', { keys: [KEY] }))
    expect(log).toContain(`outdated ${KEY}, read in vain 3 times`)

    read('2')
    const next = coherence.lastKnown(KEY)
    if (next !== undefined) next.readInVain = 4
    expect(held()).toBe('2')
    coherence.apply(change('3', { keys: [KEY] }))
    expect(log).toContain(`outdated ${KEY}, read in vain 0 times`)
  })

  test.each<[string, (stage: Stage) => void]>([
    ['an own delete', ({ coherence }) => coherence.forget(coherence.open(KEY))],
    ['a reply that says otherwise', ({ coherence }) => void coherence.settle(coherence.open(KEY), ABSENT)],
    ['an invalidated tag', ({ coherence }) => coherence.apply(change('2', { tags: ['users'] }))],
    ["a caller's transaction", ({ coherence }) => coherence.bypass('12', targets({ keys: [KEY] }))],
  ])('does not say so of %s', (_name, happens) => {
    const staged = stage()
    staged.read('1', { tags: ['users'] })
    expect(staged.held()).toBe('1')
    happens(staged)
    expect(staged.held()).toBeUndefined()
    expect(staged.log.filter((line) => line.startsWith('outdated'))).toEqual([])
  })

  test('leaves the entry it made', () => {
    const { coherence, held, read } = stage()
    read('2')
    coherence.apply(change('2', { keys: [KEY] }))
    expect(held()).toBe('2')
  })

  test.each<[string, Partial<Targets>]>([
    ['tag', { tags: ['user:1'] }],
    ['tag prefix', { tagPrefixes: ['user:'] }],
    ['key prefix', { keyPrefixes: ['profile:'] }],
    ['empty key prefix', { keyPrefixes: [''] }],
  ])('of a %s evicts what it covers, even of its own version, and ends all joining', (_name, fields) => {
    const { coherence, held, log, read } = stage()
    read('2', { tags: ['user:1', 'users'] })
    read('2', { tags: ['team:1'] }, 'other')
    coherence.apply(change('2', fields))
    expect(held()).toBeUndefined()
    expect(log).toContain('detach all')
    if (!fields.keyPrefixes?.includes('')) expect(held('other')).toBe('2')
  })
})

describe('a target touched through a transaction of the caller', () => {
  test.each([
    ['key', targets({ keys: [KEY] })],
    ['tag', targets({ tags: ['users'] })],
    ['key prefix', targets({ keyPrefixes: ['profile:'] })],
    ['tag prefix', targets({ tagPrefixes: ['use'] })],
  ])('by %s bypasses the local cache until a sync shows that the transaction is over', (_name, touched) => {
    const { coherence, held, read, sync } = stage()
    const tags = ['users']
    read('1', { tags })
    coherence.bypass('12', touched)
    expect(held()).toBeUndefined()
    expect(coherence.mayJoin(KEY)).toBe(false)
    expect(coherence.wantsSync).toBe(true)

    expect(read('1', { tags })).toBe('not-stored')
    sync()
    expect(read('1', { tags })).toBe('not-stored')
    sync({ finished: ['12'] })
    expect(coherence.mayJoin(KEY)).toBe(true)
    expect(coherence.wantsSync).toBe(false)
    expect(read('2', { tags })).toBe('stored')
  })

  test('does not concern others', () => {
    const { coherence, held, read } = stage()
    coherence.bypass('12', targets({ keys: ['profile:2'] }))
    expect(coherence.mayJoin(KEY)).toBe(true)
    read('1')
    expect(held()).toBe('1')
  })

  test('is fenced from a read that began before the commit that the sync tells of', () => {
    const { coherence, held, sync } = stage()
    const touched = targets({ keys: [KEY] })
    coherence.bypass('12', touched)
    const token = coherence.open(KEY)
    sync({ finished: ['12'], changes: [change('7', { keys: [KEY] })] })
    coherence.settle(token, present(token, '1'))
    expect(held()).toBeUndefined()
  })
})
