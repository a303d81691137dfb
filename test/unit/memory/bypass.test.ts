import { expect, test } from 'vitest'
import { Bypass, type Targets } from '../../../src/memory/bypass.ts'
import { targets } from './coherence-stage.ts'

const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}:`)

test('all that one transaction has touched is covered until it is over', () => {
  const bypass = new Bypass()
  bypass.add('1', targets({ keys: ['a'] }))
  bypass.add('1', targets({ keys: ['b', 'a'] }))
  bypass.add('1', targets({ keyPrefixes: ['c:'] }))
  expect(['a', 'b', 'c:1', 'd'].filter((key) => bypass.mayCover(key))).toEqual(['a', 'b', 'c:1'])
  bypass.add('1', targets({ tags: ['t'], tagPrefixes: ['u:'] }))
  expect(bypass.mayCover('d')).toBe(true)
  expect([['t'], ['x', 'u:1'], ['x']].map((tags) => bypass.covers('d', tags))).toEqual([true, true, false])
  expect(bypass.size).toBe(1)
  bypass.remove('1')
  expect(bypass.size).toBe(0)
  expect(['a', 'b', 'c:1', 'd'].some((key) => bypass.mayCover(key) || bypass.covers(key, ['t', 'u:1']))).toBe(
    false,
  )
})

test('what two transactions have touched is covered until both are over', () => {
  const bypass = new Bypass()
  const touched = targets({ keys: ['a'], tags: ['t'] })
  bypass.add('1', touched)
  bypass.add('1', touched)
  bypass.add('2', touched)
  bypass.remove('1')
  expect([bypass.covers('a', []), bypass.covers('b', ['t'])]).toEqual([true, true])
  bypass.remove('2')
  expect([bypass.covers('a', []), bypass.covers('b', ['t'])]).toEqual([false, false])
})

test.each<[string, Partial<Targets>]>([
  ['keys', { keys: names('k', 10_001) }],
  ['tags', { tags: names('t', 10_001) }],
  ['prefixes', { keyPrefixes: names('p', 65) }],
])('a transaction that has touched too many %s stands for everything until it is over', (_name, many) => {
  const bypass = new Bypass()
  bypass.add('1', targets({ keys: ['a'] }))
  bypass.add('2', targets({ keys: ['b'] }))
  bypass.add('1', targets(many))
  bypass.add('1', targets({ keys: ['c'] }))
  expect([bypass.mayCover('other'), bypass.covers('other', [])]).toEqual([true, true])
  expect(bypass.size).toBe(2)
  bypass.remove('1')
  expect(['a', 'b', 'c', 'other'].filter((key) => bypass.mayCover(key))).toEqual(['b'])
})
