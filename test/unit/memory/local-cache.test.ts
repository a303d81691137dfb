import { expect, test } from 'vitest'
import type { Targets } from '../../../src/memory/bypass.ts'
import { LocalCache } from '../../../src/memory/local-cache.ts'
import { targets } from './coherence-stage.ts'
import { localEntry } from './local-entries.ts'

function setup({ maxEntries = 3, maxBytes = 1_000_000 } = {}) {
  const log: string[] = []
  const cache = new LocalCache({ maxEntries, maxBytes }, (key, reason) => void log.push(`${key}: ${reason}`))
  const put = (...keys: string[]): void => {
    for (const key of keys) cache.put(localEntry(key), 0)
  }
  return { cache, log, put }
}

test('holds no more entries than it may, and gives up the oldest first', () => {
  const { cache, log, put } = setup()
  put('a', 'b', 'c', 'd', 'e')
  expect([...cache.keys()]).toEqual(['c', 'd', 'e'])
  expect(log).toEqual(['a: capacity', 'b: capacity'])
})

test('spares what was hit since the hand last passed, once', () => {
  const { cache, log, put } = setup()
  put('a', 'b', 'c')
  cache.get('a')
  put('d')
  expect(log).toEqual(['b: capacity'])
  put('e', 'f')
  expect(log).toEqual(['b: capacity', 'c: capacity', 'd: capacity'])
  put('g')
  expect(log.at(-1)).toBe('e: capacity')
  cache.get('f')
  cache.get('g')
  put('h', 'i')
  expect(log.slice(-2)).toEqual(['a: capacity', 'f: capacity'])
})

test('looking is not a hit', () => {
  const { cache, log, put } = setup()
  put('a', 'b', 'c')
  cache.find('a')
  put('d')
  expect(log).toEqual(['a: capacity'])
})

test('a scan of keys that are read once does not drive out those that are read again', () => {
  const { cache, put } = setup({ maxEntries: 100 })
  const hot = Array.from({ length: 50 }, (_, i) => `hot ${i}`)
  put(...hot)
  for (const key of hot) cache.get(key)
  for (let i = 0; i < 1_000; i++) {
    put(`scanned ${i}`)
    if (i % 20 === 0) for (const key of hot) cache.get(key)
  }
  expect(hot.filter((key) => cache.find(key) !== undefined)).toHaveLength(50)
})

test('holds no more bytes than it may', () => {
  const { bytes } = localEntry('a')
  const { cache, log, put } = setup({ maxEntries: 100, maxBytes: bytes * 3 })
  put('a', 'b', 'c')
  expect(cache.bytes).toBe(bytes * 3)
  put('d')
  expect(cache.bytes).toBe(bytes * 3)
  expect(log).toEqual(['a: capacity'])
})

test('an entry larger than everything may be is not held, and evicts nothing but its own key', () => {
  const { cache, put } = setup({ maxEntries: 100, maxBytes: 2_000 })
  put('a', 'b')
  expect(cache.put(localEntry('a', { text: 'x'.repeat(2_000) }), 0)).toBe(false)
  expect([...cache.keys()]).toEqual(['b'])
})

test('replacing an entry counts its bytes once and is no eviction', () => {
  const { cache, log, put } = setup()
  put('a', 'a', 'a')
  expect(cache.size).toBe(1)
  expect(cache.bytes).toBe(localEntry('a').bytes)
  expect(log).toEqual([])
})

test('an entry past its last deadline goes first, even if it was hit', () => {
  const { cache, log, put } = setup()
  put('a')
  cache.put(localEntry('b', { keepMs: 1_000, freshMs: 1_000 }), 0)
  put('c')
  cache.get('a')
  cache.get('b')
  cache.put(localEntry('d'), 1_000)
  expect(log).toEqual(['b: expired'])
})

test('the hand goes on after the entry under it was evicted for another reason', () => {
  const { cache, log, put } = setup()
  put('a', 'b', 'c')
  cache.get('a')
  put('d')
  cache.evict('c', 'changed')
  put('e', 'f')
  expect(log).toEqual(['b: capacity', 'c: changed', 'd: capacity'])
})

test('evicts by tag, by prefix of a tag and by prefix of a key', () => {
  const { cache, log } = setup({ maxEntries: 10 })
  const fill = (): void => {
    cache.clear()
    log.length = 0
    cache.put(localEntry('user:1', { tags: ['users', 'team:1'] }), 0)
    cache.put(localEntry('user:2', { tags: ['users', 'team:2', 'team:2'] }), 0)
    cache.put(localEntry('post:1', { tags: ['posts'] }), 0)
  }
  const evict = (...touched: Partial<Targets>[]): boolean =>
    cache.evictTargets(touched.map(targets), 'changed')
  fill()
  evict({ tags: ['users'] })
  expect(log).toEqual(['user:1: changed', 'user:2: changed'])
  evict({ tags: ['team:1'] })
  evict({ tags: ['users'] })
  expect(log).toHaveLength(2)
  fill()
  evict({ tagPrefixes: ['team:'] })
  expect(log).toEqual(['user:1: changed', 'user:2: changed'])
  fill()
  evict({ keyPrefixes: ['user:'] })
  expect(log).toEqual(['user:1: changed', 'user:2: changed'])
  fill()
  expect(
    evict({ tags: ['team:1'] }, { keyPrefixes: ['use', 'post:2'] }, { tagPrefixes: ['posts', 'posters'] }),
  ).toBe(true)
  expect(log).toEqual(['user:1: changed', 'post:1: changed', 'user:2: changed'])
  fill()
  evict({ keyPrefixes: [''] })
  expect(cache.size).toBe(0)
  expect(cache.bytes).toBe(0)
  expect(evict({}, {})).toBe(false)
})

test('clear() empties everything and tells how many there were', () => {
  const { cache, log, put } = setup()
  put('a', 'b')
  expect(cache.clear()).toBe(2)
  expect(cache.size).toBe(0)
  expect(cache.bytes).toBe(0)
  put('c', 'd', 'e', 'f')
  expect(log).toEqual(['c: capacity'])
})

test('who hears of an eviction may look at what is put or evicted next', () => {
  const keepMs = 10
  let looks: () => void = () => {}
  const cache: LocalCache = new LocalCache({ maxEntries: 3, maxBytes: 1_000_000 }, () => looks())
  const bytesOf = (...keys: string[]): number => keys.reduce((sum, key) => sum + localEntry(key).bytes, 0)
  const put = (key: string, tags: string[] = []): void => void cache.put(localEntry(key, { keepMs, tags }), 0)
  for (const key of ['a', 'b', 'c']) put(key, ['t'])
  // As a hit does that finds the entry expired.
  looks = () => {
    looks = () => {}
    for (const key of ['a', 'b', 'c']) cache.evict(key, 'expired')
  }
  cache.evictTargets([targets({ tags: ['t'] })], 'changed')
  expect([...cache.keys()]).toEqual([])
  expect(cache.bytes).toBe(0)

  const [small, large] = [localEntry('b'), localEntry('b', { text: JSON.stringify('x'.repeat(10_000)) })]
  const tight: LocalCache = new LocalCache(
    { maxEntries: 9, maxBytes: bytesOf('a', 'b') - small.bytes + large.bytes - 1 },
    () => looks(),
  )
  tight.put(localEntry('a'), 0)
  tight.put(small, 0)
  looks = () => void tight.evict('b', 'expired')
  tight.put(large, 0)
  expect([...tight.keys()]).toEqual(['b'])
  expect(tight.bytes).toBe(large.bytes)
})
