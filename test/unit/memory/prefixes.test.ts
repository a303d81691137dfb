import { expect, test } from 'vitest'
import { Prefixes } from '../../../src/memory/prefixes.ts'

test.each([
  ['none', [], []],
  ['one', ['b'], ['b', 'b:1', 'b\u{10FFFF}']],
  ['the empty one', ['b', ''], ['', 'a', 'b', 'b:1', 'b\u{10FFFF}', 'c', 'ca', 'cb']],
  ['some', ['cb', 'b:', 'a'], ['a', 'b:1', 'cb']],
  ['one that another begins with', ['c', 'ca', 'c'], ['c', 'ca', 'cb']],
  ['longer ones', ['b:11', 'cab'], []],
])('%s of them begin what they should', (_name, prefixes, begun) => {
  const texts = ['', 'a', 'b', 'b:1', 'b\u{10FFFF}', 'c', 'ca', 'cb']
  const sought = new Prefixes(prefixes)
  expect(texts.filter((text) => sought.begin(text))).toEqual(begun)
})

test('many begin what one of them begins', () => {
  // Of all kinds: also unpaired surrogates, and what sorts otherwise by code points.
  const letters = ['a', 'b', '\uFFFD', '\u{1F600}', '\uD800']
  let seed = 1
  const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below
  const word = (): string =>
    Array.from({ length: 1 + random(5) }, () => letters[random(letters.length)]).join('')
  for (let round = 0; round < 200; round++) {
    const prefixes = Array.from({ length: random(40) }, word)
    const sought = new Prefixes(prefixes)
    for (let i = 0; i < 50; i++) {
      const text = word()
      expect([text, sought.begin(text)]).toEqual([text, prefixes.some((prefix) => text.startsWith(prefix))])
    }
  }
})
