import { randomBytes } from 'node:crypto'
import * as zlib from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Codec } from '../../../src/codecs/codec.ts'
import { compressed } from '../../../src/codecs/compressed.ts'
import { encrypted } from '../../../src/codecs/encrypted.ts'

const anywhere = { key: 'k', schema: 's', schemaPrefix: '' }
const bytesOf = (codec: Codec, value: unknown): Uint8Array => codec.encode(value, anywhere) as Uint8Array
const roundTrip = (codec: Codec, value: unknown): unknown =>
  codec.decode(codec.encode(value, anywhere), anywhere)
const hasZstd = 'zstdCompressSync' in zlib
const LONG = 'the same again, '.repeat(1_000)

const list: Codec = {
  id: 'list',
  encode: (value) => Uint8Array.from(value as number[]),
  decode: (stored) => [...(stored as Uint8Array)],
}

describe('compressed', () => {
  test('gives back every JSON value, small or large', () => {
    const codec = compressed({ minBytes: 0 })
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3, noUnicodeString: false }), (value) => {
        const expected: unknown = JSON.parse(JSON.stringify(value))
        expect(roundTrip(codec, value)).toEqual(expected)
        expect(roundTrip(compressed(), [value, LONG])).toEqual([expected, LONG])
      }),
    )
  })

  test('gives back bytes as a Buffer, and what another codec makes of a value', () => {
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(100_000, 7), randomBytes(5_000)]) {
      const back = roundTrip(compressed(), new Uint8Array(bytes))
      expect(Buffer.isBuffer(back)).toBe(true)
      expect(back).toEqual(bytes)
    }
    const numbers = Array.from({ length: 5_000 }, (_, i) => i % 3)
    expect(roundTrip(compressed({ codec: list }), numbers)).toEqual(numbers)
  })

  test('takes less room for what repeats itself, and hardly more for what is small or random', () => {
    expect(bytesOf(compressed(), LONG).length).toBeLessThan(200)
    expect(bytesOf(compressed(), 'small').length).toBe(JSON.stringify('small').length + 3)
    expect(bytesOf(compressed(), randomBytes(5_000)).length).toBe(5_003)
  })

  test('reads what either algorithm has written', () => {
    const brotli = compressed({ algorithm: 'brotli' })
    expect(compressed().decode(bytesOf(brotli, LONG), anywhere)).toBe(LONG)
    expect(brotli.id).toBe('compressed:json')
  })

  test('refuses what would be larger than the bound, both ways', () => {
    const bounded = compressed({ maxBytes: 10_000 })
    expect(() => bytesOf(bounded, LONG)).toThrow(expect.objectContaining({ code: 'value-too-large' }))
    const bomb = bytesOf(compressed(), 'x'.repeat(10_000_000))
    expect(bomb.length).toBeLessThan(1_000)
    expect(() => bounded.decode(bomb, anywhere)).toThrow(/larger than 10000 bytes|maxBytes/)
  })

  test.each([
    ['text', '{}'],
    ['nothing', new Uint8Array()],
    ['another format', Uint8Array.of(9, 0, 0, 1)],
    ['an algorithm of the future', Uint8Array.of(1, 9, 0, 1)],
    ['a kind of the future', Uint8Array.of(1, 0, 9, 1)],
    ['a broken stream', Uint8Array.of(1, 2, 0, 255, 255, 255)],
    ['a cut stream', bytesOf(compressed({ algorithm: 'brotli' }), LONG).subarray(0, -5)],
  ])('refuses %s', (_, stored) => {
    expect(() => compressed().decode(stored, anywhere)).toThrow(/./)
  })

  test.skipIf(hasZstd)('says that this Node has no zstd [this one has]', () => {
    expect(() => compressed({ algorithm: 'zstd' })).toThrow('has no zstd')
  })

  test('refuses wrong options, and to compress what is encrypted', () => {
    expect(() => compressed({ algorithm: 'gzip' as never })).toThrow('algorithm')
    expect(() => compressed({ minBytes: -1 })).toThrow('minBytes')
    expect(() => compressed({ maxBytes: 0 })).toThrow('maxBytes')
    expect(() => compressed({ level: 5 } as never)).toThrow('Unknown option `level`')
    const codec = encrypted({ keys: { a: randomBytes(32) }, current: 'a' })
    expect(() => compressed({ codec })).toThrow('compress first')
  })
})
