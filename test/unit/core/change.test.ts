import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseHint } from '../../../src/core/change.ts'

const ADDRESS = 'postgres_cache.marketing_'

const payload = (fields: object): string => JSON.stringify({ a: ADDRESS, v: 1, ...fields })
const parse = (fields: object) => parseHint(payload(fields), ADDRESS)

describe('parseHint', () => {
  test('reads a change', () => {
    expect(parse({ x: '1234', k: ['a', 'b'], t: ['users'], kp: ['ns:'], tp: [''] })).toEqual({
      kind: 'change',
      change: {
        version: '1234',
        keys: ['a', 'b'],
        tags: ['users'],
        keyPrefixes: ['ns:'],
        tagPrefixes: [''],
      },
      shutMs: 20,
    })
  })

  test('reads for how long no other will be sent', () => {
    expect(parse({ x: '7', g: 80 })).toMatchObject({ kind: 'change', shutMs: 80 })
    expect(parse({ s: 1, g: 80 })).toEqual({ kind: 'sync', shutMs: 80 })
    for (const g of [-1, 0.5, 1_001, '80', null])
      expect(parse({ s: 1, g })).toMatchObject({ kind: 'unknown' })
  })

  test('takes what a change leaves out as empty', () => {
    expect(parse({ x: '7', kp: [''] })).toEqual({
      kind: 'change',
      change: { version: '7', keys: [], tags: [], keyPrefixes: [''], tagPrefixes: [] },
      shutMs: 20,
    })
  })

  test('reads a sync, a signal and a nonce', () => {
    expect(parse({ s: 1 })).toEqual({ kind: 'sync', shutMs: 20 })
    expect(parse({ l: [0, -2147483648, 2147483647] })).toEqual({
      kind: 'signal',
      hashes: [0, -2147483648, 2147483647],
    })
    expect(parse({ n: 'c0ffee' })).toEqual({ kind: 'nonce', nonce: 'c0ffee' })
  })

  test('leaves alone what is meant for another cache on the channel', () => {
    expect(parseHint(payload({ a: 'postgres_cache.other_', s: 1 }), ADDRESS)).toBe(null)
    expect(parseHint(payload({ a: 'postgres_cache.other_', v: 99 }), ADDRESS)).toBe(null)
  })

  test('does not understand a newer format, whatever else it says', () => {
    expect(parse({ v: 2, x: '7', k: ['a'] })).toMatchObject({ kind: 'unknown' })
  })

  test.each(['', 'null', '[]', '"text"', '12', '{', '{"a":1}', `{"a":"${ADDRESS}"`, 'not JSON', '\u0000'])(
    'does not understand %j',
    (text) => expect(parseHint(text, ADDRESS)).toMatchObject({ kind: 'unknown' }),
  )

  test.each([
    {},
    { v: '1', s: 1 },
    { v: null, s: 1 },
    { s: 0 },
    { s: true },
    { n: 5 },
    { n: null },
    { l: 'a' },
    { l: [1.5] },
    { l: [2147483648] },
    { l: ['1'] },
    { l: [null] },
    { x: 7 },
    { x: '' },
    { x: '-7' },
    { x: 'abc' },
    { x: '1'.repeat(21) },
    { x: '7', k: 'a' },
    { x: '7', k: [1] },
    { x: '7', t: [null] },
    { x: '7', kp: {} },
    { x: '7', tp: [['']] },
    { x: '7', k: null },
  ])('does not understand %j', (fields) => {
    expect(parse(fields)).toMatchObject({ kind: 'unknown' })
  })

  test('reads back any change that was written', () => {
    const character = fc.constantFrom('a', '"', '\\', '\n', 'é', '😀', '\u2028', '\uD800')
    const texts = fc.array(fc.string({ unit: character, maxLength: 20 }), { maxLength: 5 })
    const changes = fc.record({
      version: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String),
      keys: texts,
      tags: texts,
      keyPrefixes: texts,
      tagPrefixes: texts,
    })
    fc.assert(
      fc.property(changes, (change) => {
        const { version: x, keys: k, tags: t, keyPrefixes: kp, tagPrefixes: tp } = change
        expect(parse({ x, k, t, kp, tp })).toEqual({ kind: 'change', change, shutMs: 20 })
      }),
    )
  })

  test('never throws, whatever arrives', () => {
    const kinds = ['change', 'sync', 'signal', 'nonce', 'unknown', null]
    const field = fc.oneof(fc.jsonValue(), fc.constantFrom(1, '7', [], [''], [1], 'x', null))
    const fields = fc.dictionary(
      fc.constantFrom('a', 'v', 'g', 'x', 'k', 't', 'kp', 'tp', 's', 'l', 'n'),
      field,
    )
    const payloads = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.json(),
      fields.map((given) => JSON.stringify(given)),
      fields.map(payload),
      fields.map((given) => payload(given).slice(0, -2)),
    )
    fc.assert(
      fc.property(payloads, (text) => {
        expect(kinds).toContain(parseHint(text, ADDRESS)?.kind ?? null)
      }),
      { numRuns: 2_000 },
    )
  })
})
