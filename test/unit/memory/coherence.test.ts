import { describe, expect, test } from 'vitest'
import type { Change } from '../../../src/core/change.ts'
import type { StoredEntry } from '../../../src/core/entry.ts'
import type { Targets } from '../../../src/memory/bypass.ts'
import { Coherence, type Reply } from '../../../src/memory/coherence.ts'
import type { SyncReply } from '../../../src/memory/sync-reply.ts'
import type { Token } from '../../../src/memory/tokens.ts'
import { localEntry } from './local-entries.ts'
import { ManualClock } from './manual-clock.ts'

const KEY = 'profile:1'
const WORLD = 'world-1'
const DATABASE_AHEAD_MS = 12_345

function setup() {
  const clock = new ManualClock()
  const log: string[] = []
  const coherence = new Coherence({
    clock,
    maxStalenessMs: 2_000,
    maxEntries: 100,
    maxBytes: 1_000_000,
    joins: [
      { detach: (key) => void log.push(`detach ${key}`), detachAll: () => void log.push('detach all') },
    ],
    listener: {
      evicted: (key, reason) => void log.push(`evicted ${key}: ${reason}`),
      flushed: (reason, entries) => void log.push(`flushed ${entries}: ${reason}`),
    },
  })
  const sync = (fields: Partial<SyncReply> = {}): void =>
    coherence.synced({
      sentAt: coherence.instant(),
      world: WORLD,
      cursor: 'continued',
      changes: [],
      databaseNow: clock.wall() + DATABASE_AHEAD_MS,
      finished: [],
      ...fields,
    })
  const held = (key = KEY): string | undefined => coherence.hit(key)?.version
  const read = (version: string, fields: Partial<StoredEntry> = {}, key = KEY): string => {
    const token = coherence.open(key)
    return coherence.settle(token, present(token, version, fields))
  }
  sync()
  log.length = 0
  return { clock, coherence, log, sync, held, read }
}

function present(token: Token, version: string, fields: Partial<StoredEntry> = {}): Reply {
  const entry = localEntry(token.key, { version, sentAt: token.sentAt, ...fields })
  return { world: WORLD, version, entry }
}

const ABSENT: Reply = { world: WORLD, version: null, entry: null }

function change(version: string, fields: Partial<Change> = {}): Change {
  return { version, keys: [], tags: [], keyPrefixes: [], tagPrefixes: [], ...fields }
}

function targets(fields: Partial<Targets>): Targets {
  return { keys: [], tags: [], keyPrefixes: [], tagPrefixes: [], ...fields }
}

describe('a hit', () => {
  test('returns what a read has brought', () => {
    const { held, read } = setup()
    expect(read('1')).toBe('stored')
    expect(held()).toBe('1')
  })

  test('needs a lease that has not lapsed', () => {
    const { clock, held, read, sync } = setup()
    read('1')
    clock.advance(2_000)
    expect(held()).toBeUndefined()
    sync()
    expect(held()).toBe('1')
  })

  test('needs an entry that is fresh, by the time its read was sent', () => {
    const { clock, coherence, held } = setup()
    const token = coherence.open(KEY)
    clock.advance(400)
    coherence.settle(token, present(token, '1', { freshMs: 1_000 }))
    clock.advance(599)
    expect(held()).toBe('1')
    clock.advance(1)
    expect(held()).toBeUndefined()
  })

  test('evicts what is past its last deadline', () => {
    const { clock, held, log, read } = setup()
    read('1', { freshMs: 1_000, keepMs: 1_000 })
    clock.advance(1_000)
    held()
    expect(log).toEqual([`evicted ${KEY}: expired`])
  })

  test('is not to be had before the first sync', () => {
    const { clock } = setup()
    const coherence = new Coherence({
      clock,
      maxStalenessMs: 2_000,
      maxEntries: 10,
      maxBytes: 10_000,
      joins: [],
      listener: { evicted: () => {}, flushed: () => {} },
    })
    const token = coherence.open(KEY)
    expect(coherence.settle(token, present(token, '1'))).toBe('foreign-world')
    expect(coherence.hit(KEY)).toBeUndefined()
  })
})

describe('the last known entry', () => {
  test('is there without a lease and past its freshness, until its last deadline', () => {
    const { clock, coherence, read } = setup()
    read('1', { freshMs: 1_000, keepMs: 10_000 })
    clock.advance(9_999)
    expect(coherence.lastKnown(KEY)?.version).toBe('1')
    clock.advance(1)
    expect(coherence.lastKnown(KEY)).toBeUndefined()
  })

  test('is gone once the clocks were stepped, because its deadline means nothing then', () => {
    const { clock, coherence, read } = setup()
    read('1')
    clock.step(-5_000)
    expect(coherence.lastKnown(KEY)).toBeUndefined()
  })
})

describe('a reply', () => {
  test('that a hint has overtaken does not fill the local cache', () => {
    const { coherence, held } = setup()
    const token = coherence.open(KEY)
    coherence.apply(change('2', { keys: [KEY] }))
    expect(coherence.settle(token, present(token, '1'))).toBe('not-stored')
    expect(held()).toBeUndefined()
  })

  test('that brings the version the hint told of fills it', () => {
    const { coherence, held } = setup()
    const token = coherence.open(KEY)
    coherence.apply(change('2', { keys: [KEY] }))
    coherence.settle(token, present(token, '2'))
    expect(held()).toBe('2')
  })

  test('evicts an entry of another version even where it may not be stored itself', () => {
    const { coherence, held, read } = setup()
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
    const { coherence, held, read } = setup()
    const token = coherence.open(KEY)
    coherence.apply(change('9', { tags: ['elsewhere'] }))
    read('1')
    expect(coherence.settle(token, present(token, '1'))).toBe('not-stored')
    expect(held()).toBe('1')
  })

  test('of absence evicts, is never stored, and keeps out an older reply with a row', () => {
    const { coherence, held, read } = setup()
    read('1')
    const late = coherence.open(KEY)
    const token = coherence.open(KEY)
    expect(coherence.settle(token, ABSENT)).toBe('not-stored')
    expect(held()).toBeUndefined()
    expect(coherence.settle(late, present(late, '1'))).toBe('not-stored')
    expect(held()).toBeUndefined()
  })

  test('from another world evicts whatever its version says, and asks for a sync', () => {
    const { coherence, held, read } = setup()
    read('1')
    const late = coherence.open(KEY)
    const token = coherence.open(KEY)
    expect(coherence.settle(token, { ...present(token, '1'), world: 'world-2' })).toBe('foreign-world')
    expect(held()).toBeUndefined()
    expect(coherence.settle(late, present(late, '1'))).toBe('not-stored')
  })

  test('sent before the lease lapsed is not stored after it was renewed', () => {
    const { clock, coherence, held, sync } = setup()
    const token = coherence.open(KEY)
    clock.advance(2_000)
    sync()
    expect(coherence.settle(token, present(token, '1'))).toBe('not-stored')
    expect(held()).toBeUndefined()
  })

  test('that arrives when the lease has lapsed is not stored', () => {
    const { clock, coherence, held, sync } = setup()
    clock.advance(1_850)
    const token = coherence.open(KEY)
    clock.advance(150)
    expect(coherence.settle(token, present(token, '1'))).toBe('not-stored')
    sync()
    expect(held()).toBeUndefined()
  })

  test('to a read that began while there was no lease is stored once there is one', () => {
    const { clock, coherence, held, sync } = setup()
    clock.advance(5_000)
    const token = coherence.open(KEY)
    sync()
    expect(coherence.settle(token, present(token, '1'))).toBe('stored')
    expect(held()).toBe('1')
  })

  test('to a read that a tag invalidation has overtaken is not stored, whatever its tags', () => {
    const { coherence, held } = setup()
    const token = coherence.open(KEY)
    coherence.apply(change('2', { tags: ['profiles'] }))
    coherence.settle(token, present(token, '1'))
    expect(held()).toBeUndefined()
  })

  test('ends joining where another read of the key is under way: its caller must not see less afterwards', () => {
    const { coherence, log } = setup()
    const older = coherence.open(KEY)
    const token = coherence.open(KEY)
    coherence.settle(token, present(token, '2'))
    expect(log).toEqual([`detach ${KEY}`])
    coherence.settle(older, present(older, '1'))
    expect(log).toEqual([`detach ${KEY}`, `evicted ${KEY}: contradicted`])
  })

  test('too large for the local cache evicts what was there', () => {
    const { held, read } = setup()
    read('1')
    expect(read('2', { text: JSON.stringify('x'.repeat(2_000_000)) })).toBe('not-stored')
    expect(held()).toBeUndefined()
  })
})

describe('a change', () => {
  test('evicts an entry of another version and ends joining', () => {
    const { coherence, log, read } = setup()
    read('1')
    coherence.apply(change('2', { keys: [KEY] }))
    expect(log).toEqual([`evicted ${KEY}: changed`, `detach ${KEY}`])
  })

  test('leaves the entry it made', () => {
    const { coherence, held, read } = setup()
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
    const { coherence, held, log, read } = setup()
    read('2', { tags: ['user:1', 'users'] })
    read('2', { tags: ['team:1'] }, 'other')
    coherence.apply(change('2', fields))
    expect(held()).toBeUndefined()
    expect(log).toContain('detach all')
    if (!fields.keyPrefixes?.includes('')) expect(held('other')).toBe('2')
  })
})

describe('an own write', () => {
  test('is served from the local cache once it is acknowledged', () => {
    const { coherence, held } = setup()
    const token = coherence.open(KEY)
    expect(coherence.acknowledge(token, present(token, '5'))).toBe('stored')
    expect(held()).toBe('5')
  })

  test('keeps out every read that was under way, and nobody joins one', () => {
    const { coherence, held, log } = setup()
    const read = coherence.open(KEY)
    const write = coherence.open(KEY)
    coherence.acknowledge(write, present(write, '5'))
    expect(log).toContain(`detach ${KEY}`)
    coherence.settle(read, present(read, '4'))
    expect(held()).toBeUndefined()
  })

  test('keeps out a read under way even of its own version', () => {
    const { coherence } = setup()
    const read = coherence.open(KEY)
    const write = coherence.open(KEY)
    coherence.acknowledge(write, present(write, '5'))
    expect(coherence.settle(read, present(read, '5'))).toBe('not-stored')
  })

  test('is not stored when another change of the key was heard meanwhile', () => {
    const { coherence, held } = setup()
    const token = coherence.open(KEY)
    coherence.apply(change('6', { keys: [KEY] }))
    coherence.acknowledge(token, present(token, '5'))
    expect(held()).toBeUndefined()
  })

  test.each(['removed', 'ambiguous'] as const)(
    'that is %s evicts, keeps out reads under way and ends joining',
    (end) => {
      const { coherence, held, log, read } = setup()
      read('1')
      const pending = coherence.open(KEY)
      coherence[end](coherence.open(KEY))
      expect(log).toEqual([`evicted ${KEY}: changed`, `detach ${KEY}`])
      expect(coherence.settle(pending, present(pending, '1'))).toBe('not-stored')
      expect(held()).toBeUndefined()
    },
  )

  test('that was never made changes nothing', () => {
    const { coherence, held, log, read } = setup()
    read('1')
    coherence.abandon(coherence.open(KEY))
    expect(held()).toBe('1')
    expect(log).toEqual([])
  })
})

describe('a target touched through a transaction of the caller', () => {
  test.each([
    ['key', targets({ keys: [KEY] })],
    ['tag', targets({ tags: ['users'] })],
    ['key prefix', targets({ keyPrefixes: ['profile:'] })],
    ['tag prefix', targets({ tagPrefixes: ['use'] })],
  ])('by %s bypasses the local cache until a sync shows that the transaction is over', (_name, touched) => {
    const { coherence, held, read, sync } = setup()
    const tags = ['users']
    read('1', { tags })
    coherence.bypass(touched)
    expect(held()).toBeUndefined()
    expect(coherence.mayJoin(KEY)).toBe(false)
    expect(coherence.wantsSync).toBe(true)

    expect(read('1', { tags })).toBe('not-stored')
    sync()
    expect(read('1', { tags })).toBe('not-stored')
    sync({ finished: [touched] })
    expect(coherence.mayJoin(KEY)).toBe(true)
    expect(coherence.wantsSync).toBe(false)
    expect(read('2', { tags })).toBe('stored')
  })

  test('does not concern others', () => {
    const { coherence, held, read } = setup()
    coherence.bypass(targets({ keys: ['profile:2'] }))
    expect(coherence.mayJoin(KEY)).toBe(true)
    read('1')
    expect(held()).toBe('1')
  })

  test('is fenced from a read that began before the commit that the sync tells of', () => {
    const { coherence, held, sync } = setup()
    const touched = targets({ keys: [KEY] })
    coherence.bypass(touched)
    const token = coherence.open(KEY)
    sync({ finished: [touched], changes: [change('7', { keys: [KEY] })] })
    coherence.settle(token, present(token, '1'))
    expect(held()).toBeUndefined()
  })
})

describe('a sync', () => {
  test('applies what it brings', () => {
    const { held, read, sync } = setup()
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
    const { coherence, log, read, sync } = setup()
    read('1')
    const token = coherence.open(KEY)
    sync(fields)
    expect(log).toEqual(['detach all', `flushed 1: ${reason}`])
    expect(coherence.settle(token, present(token, '1'))).not.toBe('stored')
  })

  test('from another world makes its replies the ones that count', () => {
    const { coherence, held, sync } = setup()
    sync({ world: 'world-2' })
    const token = coherence.open(KEY)
    coherence.settle(token, { ...present(token, '1'), world: 'world-2' })
    expect(held()).toBe('1')
  })

  test('in recovery gives no lease', () => {
    const { coherence, sync } = setup()
    sync({ world: null })
    expect(coherence.leaseEnd).toBe(0)
    const token = coherence.open(KEY)
    expect(coherence.settle(token, { ...present(token, '1'), world: null })).toBe('foreign-world')
  })

  test('does not flush because it was slow', () => {
    const { clock, coherence, held, read } = setup()
    read('1')
    const sentAt = coherence.instant()
    const databaseNow = clock.wall() + DATABASE_AHEAD_MS
    clock.advance(900)
    coherence.synced({ sentAt, world: WORLD, cursor: 'continued', changes: [], databaseNow, finished: [] })
    expect(held()).toBe('1')
  })

  test('is wanted only where something was read since the last one', () => {
    const { coherence, held, sync } = setup()
    expect(coherence.wantsSync).toBe(false)
    held()
    expect(coherence.wantsSync).toBe(true)
    sync()
    expect(coherence.wantsSync).toBe(false)
  })
})

describe('the clocks', () => {
  test.each([
    ['a backward step', (clock: ManualClock) => clock.step(-1_000)],
    ['a forward step', (clock: ManualClock) => clock.step(1_000)],
    ['a suspended machine', (clock: ManualClock) => clock.suspend(1_000)],
  ])('%s is noticed by the background check, which flushes', (_name, happen) => {
    const { clock, coherence, held, log, read } = setup()
    read('1')
    happen(clock)
    coherence.check()
    expect(log).toEqual(['detach all', 'flushed 1: clock'])
    expect(held()).toBeUndefined()
  })

  test('a step is noticed by a sync that nothing preceded', () => {
    const { clock, held, log, read, sync } = setup()
    read('1')
    clock.step(-1_000)
    sync({ databaseNow: clock.wall() + 1_000 + DATABASE_AHEAD_MS })
    expect(log).toContain('flushed 1: clock')
    expect(held()).toBeUndefined()
  })
})

test('after close() nothing is served, stored or renewed', () => {
  const { coherence, held, read, sync } = setup()
  read('1')
  coherence.close()
  sync()
  expect(held()).toBeUndefined()
  expect(read('1')).toBe('not-stored')
  expect(coherence.size).toBe(0)
})
