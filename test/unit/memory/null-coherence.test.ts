import { expect, test } from 'vitest'
import type { Reply } from '../../../src/memory/coherence.ts'
import { NullCoherence } from '../../../src/memory/null-coherence.ts'
import type { Targets } from '../../../src/memory/bypass.ts'
import { ManualClock } from './manual-clock.ts'

const REPLY: Reply = { world: 'world-1', version: '1', entry: null }

function setup() {
  const log: string[] = []
  const coherence = new NullCoherence({
    clock: new ManualClock(),
    joins: [
      { detach: (key) => void log.push(`detach ${key}`), detachAll: () => void log.push('detach all') },
    ],
  })
  return { coherence, log }
}

test('holds nothing', () => {
  const { coherence } = setup()
  expect(coherence.settle(coherence.open('a'), REPLY)).toBe('not-stored')
  expect(coherence.hit()).toBeUndefined()
  expect([...coherence.keys()]).toEqual([])
})

test.each(['settle', 'forget'] as const)('nobody joins an older read after %s()', (end) => {
  const { coherence, log } = setup()
  coherence[end](coherence.open('a'), REPLY)
  expect(log).toEqual(['detach a'])
})

test('nobody joins a read that began before a sync', () => {
  const { coherence, log } = setup()
  const sentAt = coherence.beginSync()
  coherence.synced({
    sentAt,
    world: 'world-1',
    cursor: 'gap',
    changes: [],
    databaseNow: sentAt.wall,
    finished: [],
  })
  expect(log).toEqual(['detach all'])
})

test('what a transaction of the caller has touched is not joined until it is over, and a sync is wanted', () => {
  const { coherence } = setup()
  const touched: Targets = { keys: ['a'], tags: [], keyPrefixes: [], tagPrefixes: [] }
  coherence.bypass('12', touched)
  expect(coherence.mayJoin('a')).toBe(false)
  expect(coherence.mayJoin('b')).toBe(true)
  expect(coherence.wantsSync).toBe(true)
  const sentAt = coherence.beginSync()
  coherence.synced({
    sentAt,
    world: 'world-1',
    cursor: 'gap',
    changes: [],
    databaseNow: sentAt.wall,
    finished: ['12'],
  })
  expect(coherence.mayJoin('a')).toBe(true)
  expect(coherence.wantsSync).toBe(false)
})
