// What things cost in the heap of a 64-bit V8 without pointer compression, as Node is built. Rounded up rather than
// down, so that `maxBytes` is a bound and not a wish; test/unit/memory/heap-bytes.test.ts compares with the real heap.

const WORD = 8
const STRING_HEADER = 24 // map, hash and length, and rounding up to words
const NUMBER = 16 // a boxed double; integers and the doubles of an array fit into their slots
const OBJECT = 56 // map, properties, elements, and the slack of in-object slots
const NEW_NAME = 64 // a property that no shape has yet: a transition, or an entry of a dictionary
const ARRAY = 48
const BYTES_HEADER = 216 // a Buffer, its ArrayBuffer, and what the allocator keeps outside of the heap
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

const KNOWN_NAMES_MAX = 4_096 // the names of a few hundred kinds of document
const KNOWN_NAME_MAX_LENGTH = 64 // longer ones are rather keys of a dictionary

/** A `graph` may hold cycles and parts that are shared; to remember what was met costs half as much again. */
type Shape = 'tree' | 'graph'

/** Estimates decoded values. Each part of a graph counts once. */
export class ValueMeter {
  // Documents of one kind share their shape. A name that was not met before is counted in full, so that a dictionary
  // with keys of its own does not pass for one more document.
  readonly #knownNames = new Set<string>()

  bytesOf(value: unknown, shape: Shape): number {
    let bytes = 0
    const met = shape === 'graph' ? new Set<object>() : undefined
    const rest: unknown[] = [value]
    while (rest.length > 0) {
      const part = rest.pop()
      const isObject = typeof part === 'object' && part !== null
      if (isObject && met !== undefined) {
        if (met.has(part)) continue
        met.add(part)
      }
      bytes += partBytes(part)
      if (!isObject || ArrayBuffer.isView(part)) continue
      if (Array.isArray(part)) {
        bytes += WORD * part.length
        for (const item of part) if (typeof item !== 'number') rest.push(item)
        continue
      }
      for (const [name, item] of Object.entries(part)) {
        bytes += this.#nameBytes(name)
        rest.push(item)
      }
    }
    return bytes
  }

  #nameBytes(name: string): number {
    if (this.#knownNames.has(name)) return WORD
    if (this.#knownNames.size < KNOWN_NAMES_MAX && name.length <= KNOWN_NAME_MAX_LENGTH) {
      this.#knownNames.add(name)
    }
    return NEW_NAME + stringBytes(name)
  }
}

/** What a part costs by itself, without what it contains. */
function partBytes(part: unknown): number {
  if (typeof part === 'string') return stringBytes(part)
  if (typeof part === 'number') return Number.isInteger(part) ? 0 : NUMBER
  if (ArrayBuffer.isView(part)) return BYTES_HEADER + part.byteLength
  if (Array.isArray(part)) return ARRAY
  return typeof part === 'object' && part !== null ? OBJECT : 0
}
