// Array parameters in PostgreSQL's binary format: pg sends a Buffer as binary, and the server copies elements instead of parsing a quoted literal.
// Layout: dimensions, has-null flag, element type, length, lower bound, then length-prefixed elements (array_send in arrayfuncs.c).

const TEXT_OID = 25
const FLOAT8_OID = 701
const FLOAT8_BYTES = 8
const LENGTH_BYTES = 4
const EMPTY_HEADER_BYTES = 12
const HEADER_BYTES = 20
const NULL_LENGTH = -1

export function encodeTextArray(items: readonly (string | null)[]): Buffer {
  // A UTF-16 unit takes at most three bytes of UTF-8.
  let bound = HEADER_BYTES
  for (const item of items) bound += LENGTH_BYTES + (item === null ? 0 : item.length * 3)
  const buffer = Buffer.allocUnsafe(bound)
  let offset = writeHeader(buffer, TEXT_OID, items.length)
  for (const item of items) {
    const length = item === null ? NULL_LENGTH : buffer.write(item, offset + LENGTH_BYTES)
    buffer.writeInt32BE(length, offset)
    offset += LENGTH_BYTES + Math.max(0, length)
  }
  return buffer.subarray(0, offset)
}

export function encodeFloat8Array(items: readonly (number | null)[]): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + items.length * (LENGTH_BYTES + FLOAT8_BYTES))
  let offset = writeHeader(buffer, FLOAT8_OID, items.length)
  for (const item of items) {
    offset = buffer.writeInt32BE(item === null ? NULL_LENGTH : FLOAT8_BYTES, offset)
    if (item !== null) offset = buffer.writeDoubleBE(item, offset)
  }
  return buffer.subarray(0, offset)
}

/** Where the elements begin. */
function writeHeader(buffer: Buffer, elementOid: number, length: number): number {
  buffer.writeInt32BE(length === 0 ? 0 : 1, 0)
  buffer.writeInt32BE(1, 4)
  buffer.writeInt32BE(elementOid, 8)
  if (length === 0) return EMPTY_HEADER_BYTES
  buffer.writeInt32BE(length, 12)
  buffer.writeInt32BE(1, 16)
  return HEADER_BYTES
}

/** A literal such as `{"a","b"}`, for what has no binary form here and where an array is an element of another. */
export function toArrayLiteral(items: readonly (string | number | null)[]): string {
  return `{${items.map(toElement).join(',')}}`
}

function toElement(item: string | number | null): string {
  return item === null ? 'NULL' : `"${String(item).replace(/["\\]/g, '\\$&')}"`
}
