// Parameters of type text[] in PostgreSQL's binary array format: pg sends a Buffer as binary, and the server copies strings instead of parsing a
// quoted literal. Layout: dimensions, has-null flag, element type, length, lower bound, then length-prefixed elements (array_send in arrayfuncs.c).

const TEXT_OID = 25
const HEADER_BYTES = 20
const NULL_LENGTH = -1

export function encodeTextArray(items: readonly (string | null)[]): Buffer {
  // A UTF-16 unit takes at most three bytes of UTF-8.
  let bound = HEADER_BYTES
  for (const item of items) bound += 4 + (item === null ? 0 : item.length * 3)
  const buffer = Buffer.allocUnsafe(bound)
  buffer.writeInt32BE(items.length === 0 ? 0 : 1, 0)
  buffer.writeInt32BE(1, 4)
  buffer.writeInt32BE(TEXT_OID, 8)
  if (items.length === 0) return buffer.subarray(0, 12)
  buffer.writeInt32BE(items.length, 12)
  buffer.writeInt32BE(1, 16)
  let offset = HEADER_BYTES
  for (const item of items) {
    if (item === null) {
      buffer.writeInt32BE(NULL_LENGTH, offset)
      offset += 4
      continue
    }
    const length = buffer.write(item, offset + 4)
    buffer.writeInt32BE(length, offset)
    offset += 4 + length
  }
  return buffer.subarray(0, offset)
}

/** A literal such as `{"a","b"}`, for where an array is an element of another. */
export function toArrayLiteral(items: readonly string[]): string {
  return `{${items.map((item) => `"${item.replace(/["\\]/g, '\\$&')}"`).join(',')}}`
}
