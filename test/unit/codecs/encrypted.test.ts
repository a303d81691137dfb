import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Codec, CodecContext } from '../../../src/codecs/codec.ts'
import { compressed } from '../../../src/codecs/compressed.ts'
import { encrypted } from '../../../src/codecs/encrypted.ts'

const here: CodecContext = { key: 'user:1', schema: 'postgres_cache', schemaPrefix: '' }
const [old, young] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
const codec = encrypted({ keys: { old }, current: 'old' })
const bytesOf = (of: Codec, value: unknown, at = here): Buffer =>
  Buffer.from(of.encode(value, at) as Uint8Array)

describe('encrypted', () => {
  test('gives back every JSON value and all bytes', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.jsonValue({ maxDepth: 3 }),
          fc.uint8Array().map((bytes) => Buffer.from(bytes)),
        ),
        (value) => {
          const expected = Buffer.isBuffer(value) ? value : (JSON.parse(JSON.stringify(value)) as unknown)
          expect(codec.decode(codec.encode(value, here), here)).toEqual(expected)
        },
      ),
    )
  })

  test('shows nothing of the value, and the same value twice as two', () => {
    const [first, second] = [bytesOf(codec, 'a secret'), bytesOf(codec, 'a secret')]
    expect(first.includes('secret')).toBe(false)
    expect(bytesOf(codec, Buffer.from('a secret')).includes('secret')).toBe(false)
    expect(first).not.toEqual(second)
  })

  test('decrypts only where it was stored', () => {
    const stored = bytesOf(codec, { admin: true })
    for (const elsewhere of [
      { ...here, key: 'user:2' },
      { ...here, schema: 'other' },
      { ...here, schemaPrefix: 'a_' },
      // Joined, the parts would be the same.
      { ...here, schema: 'postgres_cach', schemaPrefix: 'e' },
    ])
      expect(() => codec.decode(stored, elsewhere)).toThrow(
        'Unsupported state or unable to authenticate data',
      )
  })

  test('refuses what has been changed, at every byte, and what was cut', () => {
    const stored = bytesOf(codec, { name: 'Ava' })
    for (let i = 0; i < stored.length; i++) {
      const changed = Buffer.from(stored)
      changed[i] = (changed[i] ?? 0) ^ 1
      expect(() => codec.decode(changed, here), `byte ${i}`).toThrow(/./)
      expect(() => codec.decode(stored.subarray(0, i), here), `${i} bytes`).toThrow(/./)
    }
    expect(() => codec.decode('{}', here)).toThrow('no format known here')
  })

  test('reads with every key, writes with the current one', () => {
    const both = encrypted({ keys: { old, young }, current: 'young' })
    const stored = bytesOf(codec, 'before')
    expect(both.decode(stored, here)).toBe('before')
    const later = bytesOf(both, 'after')
    expect(() => codec.decode(later, here)).toThrow("encrypted with key 'young', which is not among `keys`")
    expect(encrypted({ keys: { young }, current: 'young' }).decode(later, here)).toBe('after')
  })

  test('with another key of the same id is refused', () => {
    const other = encrypted({ keys: { old: young }, current: 'old' })
    expect(() => other.decode(bytesOf(codec, 1), here)).toThrow('unable to authenticate')
  })

  test('compresses first, where both are asked for', () => {
    const both = encrypted({ keys: { old }, current: 'old', codec: compressed() })
    const stored = bytesOf(both, 'again, '.repeat(1_000))
    expect(both.id).toBe('encrypted:compressed:json')
    expect(stored.length).toBeLessThan(300)
    expect(both.decode(stored, here)).toBe('again, '.repeat(1_000))
    const bytes = Buffer.alloc(10_000, 'a')
    expect(bytesOf(both, bytes).length).toBeLessThan(300)
    expect(both.decode(bytesOf(both, bytes), here)).toEqual(bytes)
  })

  test('keeps a key that is changed afterwards as it was', () => {
    const given = randomBytes(32)
    const own = encrypted({ keys: { a: given }, current: 'a' })
    const stored = bytesOf(own, 'value')
    given.fill(0)
    expect(own.decode(stored, here)).toBe('value')
  })

  test('refuses wrong options without showing a key', () => {
    const refused = (options: unknown, message: string): void =>
      expect(() => encrypted(options as never)).toThrow(
        expect.objectContaining({ code: 'invalid-option', message: expect.stringContaining(message) }),
      )
    refused({}, '`keys`')
    refused({ keys: { a: old }, current: 'b' }, '`current`')
    refused({ keys: { a: old } }, '`current`')
    refused({ keys: { '': old }, current: '' }, 'ids of 1 to 255 bytes')
    refused(
      { keys: { a: Buffer.from('secret') }, current: 'a' },
      "Expected key 'a' to be a Uint8Array of 32 bytes",
    )
    refused({ keys: { a: 'secret' }, current: 'a' }, "Expected key 'a'")
    expect(() => encrypted({ keys: { a: 'secret' as never }, current: 'a' })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('secret') }),
    )
  })
})
