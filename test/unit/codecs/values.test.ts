import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import type { Codec } from '../../../src/codecs/codec.ts'
import { jsonCodec } from '../../../src/codecs/json.ts'
import { decodeStored, encodeValue, type ValueOptions } from '../../../src/codecs/values.ts'

const quoted: Codec = {
  id: 'quoted',
  encode: (value) => `<${String(value)}>`,
  decode: (stored) => String(stored).slice(1, -1),
}
const utf16: Codec = {
  id: 'utf16',
  encode: (value) => Buffer.from(String(value), 'utf16le'),
  decode: (stored) => Buffer.from(stored).toString('utf16le'),
}
const encodesTo = (encoded: unknown): Codec => ({ ...quoted, encode: () => encoded as string })

const key = 'user:1'
const using = (codec: Codec, maxValueBytes = 1_000): ValueOptions => ({
  codec,
  maxValueBytes,
  schema: 'postgres_cache',
  schemaPrefix: '',
})

describe('encodeValue', () => {
  test('writes JSON as text without a codec id, where SQL reads and writes it', () => {
    expect(encodeValue(using(jsonCodec), key, { a: 'é' })).toEqual({
      text: '{"a":"é"}',
      bytes: null,
      codec: null,
      size: 10,
    })
  })

  test('writes bytes as they are, whatever codec is configured', () => {
    for (const codec of [jsonCodec, quoted, utf16]) {
      expect(encodeValue(using(codec), key, new Uint8Array([1, 0, 255]))).toEqual({
        text: null,
        bytes: Buffer.from([1, 0, 255]),
        codec: 'bytes',
        size: 3,
      })
    }
  })

  test('knows bytes from another realm', () => {
    const foreign: unknown = runInNewContext('new Uint8Array([1, 2])')
    expect(encodeValue(using(jsonCodec), key, foreign)).toMatchObject({ codec: 'bytes', size: 2 })
  })

  test("writes a codec's text or bytes with its id", () => {
    expect(encodeValue(using(quoted), key, 'abc')).toEqual({
      text: '<abc>',
      bytes: null,
      codec: 'quoted',
      size: 5,
    })
    expect(encodeValue(using(utf16), key, 'abc')).toMatchObject({ text: null, codec: 'utf16', size: 6 })
  })

  test.each([
    ['text with NUL', 'a\0b'],
    ['text with a lone surrogate', 'a\uD800'],
    ['a number', 7],
    ['nothing', undefined],
  ])('refuses a codec that returns %s', (_name, encoded) => {
    expect(() => encodeValue(using(encodesTo(encoded)), key, 'value')).toThrow(
      expect.objectContaining({
        code: 'invalid-value',
        key: 'user:1',
        message: `Cannot store the value of key "user:1": codec 'quoted' must return bytes, or well-formed text without NUL`,
      }),
    )
  })

  test('names the key of a value that the codec refuses, and keeps the cause', () => {
    expect(() => encodeValue(using(jsonCodec), key, 5n)).toThrow(
      expect.objectContaining({ code: 'invalid-value', key: 'user:1', cause: expect.any(Error) }),
    )
  })

  test('refuses undefined for every codec, because it is how a miss looks', () => {
    for (const codec of [jsonCodec, quoted, utf16]) {
      expect(() => encodeValue(using(codec), key, undefined)).toThrow(
        expect.objectContaining({
          code: 'invalid-value',
          key: 'user:1',
          message: expect.stringContaining('null'),
        }),
      )
    }
  })

  test('counts bytes, not characters, against the limit', () => {
    const exact = using(jsonCodec, 12) // "ééééé" in quotes
    expect(encodeValue(exact, 'k', 'ééééé').size).toBe(12)
    expect(() => encodeValue(exact, 'k', 'éééééé')).toThrow(
      expect.objectContaining({
        code: 'value-too-large',
        key: 'k',
        option: 'maxValueBytes',
        message: 'The value of key "k" takes 14 bytes: more than `maxValueBytes`, 12',
      }),
    )
    expect(encodeValue(exact, 'k', Buffer.alloc(12)).size).toBe(12)
    expect(() => encodeValue(exact, 'k', Buffer.alloc(13))).toThrow(
      expect.objectContaining({ code: 'value-too-large' }),
    )
  })
})

describe('decodeStored', () => {
  test.each([
    ['JSON', jsonCodec, { a: [1, null] }],
    ['null', jsonCodec, null],
    ['empty bytes', jsonCodec, Buffer.alloc(0)],
    ['bytes', quoted, Buffer.from([0, 1])],
    ['text of a codec', quoted, 'abc'],
    ['the empty text of a codec', quoted, ''],
    ['bytes of a codec', utf16, 'añ😀'],
  ])('gives back %s', (_name, codec, value) => {
    expect(decodeStored(using(codec), { key, ...encodeValue(using(codec), key, value) })).toEqual(value)
  })

  test('reads JSON and bytes with any codec configured', () => {
    expect(decodeStored(using(quoted), { key, text: '{"a":1}', bytes: null, codec: null })).toEqual({ a: 1 })
    expect(
      decodeStored(using(quoted), { key, text: null, bytes: new Uint8Array([7]), codec: 'bytes' }),
    ).toEqual(Buffer.from([7]))
  })

  test('refuses what another codec wrote', () => {
    expect(() => decodeStored(using(utf16), { key, text: '<abc>', bytes: null, codec: 'quoted' })).toThrow(
      expect.objectContaining({
        code: 'invalid-value',
        message: `The entry of key ${JSON.stringify(key)} was written by codec 'quoted', which is not configured here: it is a miss until it is written again`,
      }),
    )
  })

  test('refuses what was written without a codec that reads nothing else', () => {
    const strict = using({ ...quoted, plain: 'refuse', bytes: 'encoded' })
    for (const stored of [
      { text: '{"a":1}', bytes: null, codec: null },
      { text: null, bytes: new Uint8Array([7]), codec: 'bytes' },
    ])
      expect(() => decodeStored(strict, { key, ...stored })).toThrow(
        expect.objectContaining({
          code: 'invalid-value',
          key,
          message: expect.stringContaining('not configured'),
        }),
      )
    expect(encodeValue(strict, key, Buffer.from([7]))).toMatchObject({ codec: 'quoted' })
  })

  test('refuses what does not decode, and does not quote it', () => {
    expect(() => decodeStored(using(jsonCodec), { key, text: '{', bytes: null, codec: null })).toThrow(
      expect.objectContaining({
        code: 'invalid-value',
        cause: expect.objectContaining({ message: 'what is stored is not JSON' }),
      }),
    )
  })
})
