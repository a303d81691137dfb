// What things cost in the heap of a 64-bit V8 without pointer compression, as Node is built. Rounded up rather than
// down, so that `maxBytes` is a bound and not a wish; test/unit/memory/heap-bytes.test.ts compares with the real heap.

const WORD = 8
const STRING_HEADER = 24 // map, hash and length, and rounding up to words
const NUMBER = 16 // a boxed double; small integers cost nothing beyond their slot
const OBJECT = 56 // map, properties, elements, and the slack of in-object slots
const PROPERTY = 24 // a slot, or an entry of a dictionary once an object has outgrown its shape
const ARRAY = 48
const BYTES_HEADER = 280 // a Buffer, its ArrayBuffer and what the allocator keeps outside of the heap
const ENTRY = 256 // the entry with its links, its slot in the map of keys, a tags array
const TAG = 112 // a slot in the index, and a share of the set behind it

/** One byte a character for Latin-1 text, two for everything else; not-quite-ASCII text is taken as the latter. */
export function stringBytes(text: string): number {
  const width = Buffer.byteLength(text) === text.length ? 1 : 2
  return STRING_HEADER + text.length * width
}

export function bufferBytes(bytes: Uint8Array): number {
  return BYTES_HEADER + bytes.byteLength
}

/** Keys and tags are counted in full: each entry read from the store brings strings of its own. */
export function entryBytes(key: string, tags: readonly string[], heldBytes: number): number {
  let bytes = ENTRY + stringBytes(key) + heldBytes
  for (const tag of tags) bytes += TAG + stringBytes(tag)
  return bytes
}

/** An estimate for a decoded value: a tree, as every JSON document is; what is shared counts each time. */
export function valueBytes(value: unknown): number {
  let bytes = 0
  const rest: unknown[] = [value]
  while (rest.length > 0) {
    const part = rest.pop()
    if (typeof part === 'string') bytes += stringBytes(part)
    else if (typeof part === 'number') bytes += Number.isInteger(part) ? 0 : NUMBER
    else if (ArrayBuffer.isView(part)) bytes += BYTES_HEADER + part.byteLength
    else if (Array.isArray(part)) {
      bytes += ARRAY + part.length * WORD
      for (const item of part) rest.push(item)
    } else if (typeof part === 'object' && part !== null) {
      bytes += OBJECT
      for (const item of Object.values(part)) {
        bytes += PROPERTY
        rest.push(item)
      }
    }
  }
  return bytes
}
