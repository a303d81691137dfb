import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bytesCodec } from '../../../src/codecs/bytes.ts'

const anywhere = { key: 'k', schema: 's', schemaPrefix: '' }

test('any bytes come back as a Buffer', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const decoded = bytesCodec.decode(bytesCodec.encode(bytes, anywhere), anywhere)
      expect(Buffer.isBuffer(decoded)).toBe(true)
      expect([...decoded]).toEqual([...bytes])
    }),
  )
})

test('takes only the part that a view shows', () => {
  const view = new Uint8Array(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2)
  expect([...bytesCodec.decode(bytesCodec.encode(view, anywhere), anywhere)]).toEqual([2, 3])
})

test('a later change of the array given does not change what was encoded', () => {
  const given = Buffer.from([1, 2])
  const encoded = bytesCodec.encode(given, anywhere)
  given[0] = 9
  expect([...Buffer.from(encoded)]).toEqual([1, 2])
})

test('a change of what was handed out does not change what is kept', () => {
  const kept = new Uint8Array([1, 2])
  bytesCodec.decode(kept, anywhere)[0] = 9
  expect([...kept]).toEqual([1, 2])
})

test.each(['text', [1, 2], new ArrayBuffer(2), new Uint16Array(2), null])('refuses %o', (value) => {
  expect(() => bytesCodec.encode(value, anywhere)).toThrow(expect.objectContaining({ code: 'invalid-value' }))
})
