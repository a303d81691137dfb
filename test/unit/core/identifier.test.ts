import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  MAX_IDENTIFIER_BYTES,
  MAX_OBJECT_SUFFIX_BYTES,
  assertIdentifier,
  assertIdentifierPrefix,
  quoteIdentifier,
  quoteLiteral,
} from '../../../src/core/identifier.ts'

describe('quoteIdentifier', () => {
  test.each([
    ['entries', '"entries"'],
    ['Mixed Case', '"Mixed Case"'],
    ['a"b', '"a""b"'],
    ['"; drop table x; --', '"""; drop table x; --"'],
    ['back\\slash', '"back\\slash"'],
  ])('quotes %s', (name, quoted) => {
    expect(quoteIdentifier(name)).toBe(quoted)
  })

  test('leaves no way out of the quotes', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('"', 'a', '\\', "'", ';') }), (name) => {
        const inside = quoteIdentifier(name).slice(1, -1)
        expect(inside.replaceAll('""', '')).not.toContain('"')
        expect(inside.replaceAll('""', '"')).toBe(name)
      }),
    )
  })
})

describe('quoteLiteral', () => {
  test.each([
    ['it', "'it'"],
    ["it's", "'it''s'"],
    ['', "''"],
    ['a\\b', "E'a\\\\b'"],
    ["\\'; drop", "E'\\\\''; drop'"],
  ])('quotes %s', (text, quoted) => {
    expect(quoteLiteral(text)).toBe(quoted)
  })
})

test('NUL never reaches SQL text', () => {
  expect(() => quoteIdentifier('a\0b')).toThrow(expect.objectContaining({ code: 'invalid-option' }))
  expect(() => quoteLiteral('a\0b')).toThrow(expect.objectContaining({ code: 'invalid-option' }))
})

describe('assertIdentifier', () => {
  test.each(['a', 'postgres_cache', 'With "quotes"', 'ы'.repeat(31), 'x'.repeat(MAX_IDENTIFIER_BYTES)])(
    'takes %s',
    (name) => expect(() => assertIdentifier(name, 'schema')).not.toThrow(),
  )

  test.each([
    '',
    'a\0',
    '\uD800',
    'x'.repeat(MAX_IDENTIFIER_BYTES + 1),
    'ы'.repeat(32),
    1,
    null,
    undefined,
    {},
  ])('refuses %j', (name) => {
    expect(() => assertIdentifier(name, 'schema')).toThrow(
      expect.objectContaining({
        code: 'invalid-option',
        option: 'schema',
        message: expect.stringMatching(/^Expected `schema` to be a non-empty, .* at most 63 bytes, got /),
      }),
    )
  })
})

describe('assertIdentifierPrefix', () => {
  const longest = MAX_IDENTIFIER_BYTES - MAX_OBJECT_SUFFIX_BYTES

  test.each(['', 'marketing_', 'x'.repeat(longest)])('takes %j', (prefix) => {
    expect(() => assertIdentifierPrefix(prefix, 'schemaPrefix')).not.toThrow()
  })

  test.each(['a\0', '\uD800', 'x'.repeat(longest + 1), 'ы'.repeat(12), 1, null, undefined])(
    'refuses %j',
    (prefix) => {
      expect(() => assertIdentifierPrefix(prefix, 'schemaPrefix')).toThrow(
        expect.objectContaining({
          code: 'invalid-option',
          option: 'schemaPrefix',
          message: expect.stringContaining('at most 23 bytes'),
        }),
      )
    },
  )
})
