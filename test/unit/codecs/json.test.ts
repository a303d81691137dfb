import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { jsonCodec } from '../../../src/codecs/json.ts'

const anywhere = { key: 'k', schema: 's', schemaPrefix: '' }

// What JSON escapes, what UTF-8 cannot hold, and one of each length.
const character = fc.constantFrom('a', '"', '\\', '\0', '\n', 'é', '€', '😀', '\u2028', '\uD800', '\uDC00')

const roundTrip = (value: unknown): unknown => jsonCodec.decode(jsonCodec.encode(value, anywhere), anywhere)

describe('jsonCodec', () => {
  test.each([null, 0, '', false, 'text', [1, [2]], { a: { b: null } }, '\0', '\uD800', '😀'])(
    'keeps %j',
    (value) => expect(roundTrip(value)).toEqual(value),
  )

  test('keeps every JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: character, maxDepth: 3 }), (value) => {
        // -0 is the one value that JSON cannot tell from another.
        fc.pre(
          !JSON.stringify([value], (_, part) => (Object.is(part, -0) ? 'minus zero' : part)).includes(
            'minus zero',
          ),
        )
        expect(roundTrip(value)).toEqual(value)
      }),
    )
  })

  test('writes text that PostgreSQL can hold, whatever the strings hold', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0xffff })), (units) => {
        const text = String(jsonCodec.encode({ text: String.fromCharCode(...units) }, anywhere))
        expect(text.isWellFormed() && !text.includes('\0')).toBe(true)
      }),
    )
  })

  test('keeps a property named __proto__ a property', () => {
    const decoded = roundTrip(JSON.parse('{"__proto__":{"admin":true}}'))
    expect(Object.keys(Object(decoded))).toEqual(['__proto__'])
    expect(decoded).not.toHaveProperty('admin')
  })

  test('follows JSON.stringify for what JSON has no word for', () => {
    const value = {
      gone: undefined,
      nothing: Number.NaN,
      date: new Date(0),
      map: new Map([[1, 2]]),
      list: [undefined, () => 1],
    }
    expect(roundTrip(value)).toEqual({
      nothing: null,
      date: '1970-01-01T00:00:00.000Z',
      map: {},
      list: [null, null],
    })
  })

  test.each([
    ['undefined', undefined],
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['a toJSON that returns undefined', { toJSON: () => undefined }],
    ['a BigInt', 5n],
    ['a nested BigInt', { list: [{ id: 5n }] }],
    ['a cycle', cycle()],
  ])('refuses %s', (_name, value) => {
    expect(() => jsonCodec.encode(value, anywhere)).toThrow(
      expect.objectContaining({ name: 'CacheError', code: 'invalid-value' }),
    )
  })

  test('passes on what a toJSON throws', () => {
    const cause = new Error('not now')
    const value = {
      toJSON() {
        throw cause
      },
    }
    expect(() => jsonCodec.encode(value, anywhere)).toThrow(
      expect.objectContaining({ code: 'invalid-value', message: expect.stringContaining('not now'), cause }),
    )
  })
})

function cycle(): unknown {
  const self: { list: unknown[] } = { list: [] }
  self.list.push(self)
  return self
}
