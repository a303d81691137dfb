import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  MAX_KEY_BYTES,
  MAX_TAGS,
  assertKey,
  assertPrefix,
  assertTag,
  assertTags,
  hashKey,
} from '../../../src/core/key.ts'

// Long enough to cross the limit, in characters of each length, with any ending.
const anyText = fc
  .tuple(
    fc.constantFrom('x', 'é', '€', '😀', '\0', '\uD800'),
    fc.oneof(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 200, max: 1_030 })),
    fc.oneof(fc.string({ unit: 'binary' }), fc.array(fc.integer({ min: 0, max: 0xffff })).map(toText)),
  )
  .map(([character, count, ending]) => character.repeat(count) + ending)

const storable = [
  'a',
  'user:1',
  "it's",
  '"',
  '%_\\',
  '😀',
  'ключ',
  ' ',
  '\n',
  '\u{10FFFF}',
  '\uFFFF',
  '__proto__',
]
const notStorable = [
  '\0',
  'a\0b',
  '\uD800',
  'a\uDC00',
  '\uDC00\uD800',
  1,
  null,
  undefined,
  {},
  ['a'],
  new String('a'),
]

describe('assertKey', () => {
  test.each([...storable, 'x'.repeat(MAX_KEY_BYTES), '€'.repeat(341) + 'x', '😀'.repeat(256)])(
    'takes %j',
    (key) => expect(() => assertKey(key)).not.toThrow(),
  )

  test.each([
    '',
    ...notStorable,
    'x'.repeat(MAX_KEY_BYTES + 1),
    '€'.repeat(342),
    '😀'.repeat(256) + 'x',
    'x'.repeat(400) + '\0',
  ])('refuses %j', (key) => {
    expect(() => assertKey(key)).toThrow(expect.objectContaining({ name: 'CacheError', code: 'invalid-key' }))
  })

  test('says what it expects, and names the key', () => {
    expect(() => assertKey('a\0b')).toThrow(
      expect.objectContaining({
        key: 'a\0b',
        message:
          "Expected `key` to be a non-empty, well-formed string without NUL of at most 1024 bytes in UTF-8, got `'a\\x00b'` (string)",
      }),
    )
  })

  test('keeps the message short for a long key, and says how long it is', () => {
    expect(() => assertKey('x'.repeat(1_000_000))).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(
          /^.{0,240} of 1000000 bytes: put a hash in the place of what is long$/s,
        ),
      }),
    )
    expect(() => assertTag('€'.repeat(342))).toThrow(' of 1026 bytes: ')
  })

  test('takes exactly the texts that survive UTF-8 within the limit', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const bytes = Buffer.from(text)
        const fits = text !== '' && bytes.length <= MAX_KEY_BYTES
        const isExpected = fits && bytes.toString() === text && !bytes.includes(0)
        expect(passes(() => assertKey(text))).toBe(isExpected)
      }),
    )
  })
})

describe('assertPrefix', () => {
  test('takes what may begin a key', () => {
    for (const prefix of storable) expect(() => assertPrefix(prefix)).not.toThrow()
  })

  test.each(notStorable)('refuses %j', (prefix) => {
    expect(() => assertPrefix(prefix)).toThrow(expect.objectContaining({ code: 'invalid-key' }))
    expect(() => assertPrefix(prefix, 'allowed')).toThrow(expect.objectContaining({ code: 'invalid-key' }))
  })

  test('takes the empty prefix only where every key may be meant', () => {
    expect(() => assertPrefix('', 'allowed')).not.toThrow()
    expect(() => assertPrefix('')).toThrow('clear() removes every key')
  })
})

describe('assertTags', () => {
  test('keeps the order and drops repetitions', () => {
    expect(assertTags(['b', 'a', 'b', 'c', 'a'])).toEqual(['b', 'a', 'c'])
    expect(assertTags([])).toEqual([])
  })

  test('counts the limit without repetitions', () => {
    const full = Array.from({ length: MAX_TAGS }, (_, i) => `tag:${i}`)
    expect(assertTags([...full, 'tag:0'])).toEqual(full)
    expect(() => assertTags([...full, 'one more'])).toThrow(
      expect.objectContaining({
        code: 'invalid-tag',
        message: expect.stringContaining('at most 64 tags, got 65'),
      }),
    )
  })

  test.each(['', ...notStorable, 'x'.repeat(MAX_KEY_BYTES + 1)])('refuses the tag %j', (tag) => {
    expect(() => assertTag(tag)).toThrow(expect.objectContaining({ code: 'invalid-tag' }))
    expect(() => assertTags(['good', tag])).toThrow(expect.objectContaining({ code: 'invalid-tag' }))
  })

  test.each(['users', null, undefined, {}, new Set(['users'])])('refuses %j in place of an array', (tags) => {
    expect(() => assertTags(tags)).toThrow(
      expect.objectContaining({
        code: 'invalid-tag',
        message: expect.stringContaining('an array of strings'),
      }),
    )
  })

  test('a later change of the array given does not change the tags', () => {
    const given = ['a']
    const tags = assertTags(given)
    given.push('b')
    expect(tags).toEqual(['a'])
  })
})

describe('hashKey', () => {
  test.each([
    ['', -1421968373],
    ['user:1', 1763983599],
    ['ключ', -1109631624],
    ['😀', 1787143206],
  ])('the hash of %j is the same in every release', (key, hash) => {
    expect(hashKey(key)).toBe(hash)
  })

  test('is a signed 32-bit integer', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(hashKey(text)).toBe(hashKey(text) | 0)
      }),
    )
  })

  test('collides about as rarely as chance would have it', () => {
    const hashes = new Set<number>()
    for (let i = 0; i < 100_000; i += 1) hashes.add(hashKey(`user:${i}`))
    expect(hashes.size).toBeGreaterThan(99_990) // chance: 1.2 pairs
  })

  test('spreads similar keys evenly over the buckets of any bits', () => {
    for (const shift of [0, 8, 16, 24]) {
      const buckets = Array.from({ length: 256 }, () => 0)
      for (let i = 0; i < 25_600; i += 1) {
        const bucket = (hashKey(`k${i}`) >>> shift) & 0xff
        buckets[bucket] = (buckets[bucket] ?? 0) + 1
      }
      // 100 expected in each, standard deviation 10
      expect(Math.min(...buckets)).toBeGreaterThan(50)
      expect(Math.max(...buckets)).toBeLessThan(150)
    }
  })
})

function toText(units: readonly number[]): string {
  return String.fromCharCode(...units)
}

function passes(check: () => void): boolean {
  try {
    check()
    return true
  } catch {
    return false
  }
}
