// In which form the local cache holds a value, and what a hit hands out. All three start from what is stored, never
// from the object a caller has set: a value read back is of the same type from the local cache as from the store.
//
// clone   holds the encoded value and decodes it for every hit: each caller owns what it gets
// freeze  holds the decoded value, deep-frozen, and shares it
// share   holds the decoded value and shares it as it is: a caller that changes it changes it for all

import type { StoredContent, StoredEntry } from '../core/entry.ts'
import { bufferBytes, stringBytes, ValueMeter } from './heap-bytes.ts'

export type Values = 'clone' | 'freeze' | 'share'

export type Decode = (content: string | Uint8Array, codec: string | null, key: string) => unknown

type KeyedContent = StoredContent & Pick<StoredEntry, 'key'>

export interface Held {
  readonly held: unknown
  readonly encoded: boolean
  readonly bytes: number
}

export interface ValueMode {
  /** Whether callers may be given one value. */
  readonly isShared: boolean
  toLocal(content: KeyedContent): Held
  fromLocal(entry: Pick<Held, 'held' | 'encoded'> & Pick<KeyedContent, 'key' | 'codec'>): unknown
}

export function resolveValueMode(values: Values, decode: Decode): ValueMode {
  const meter = new ValueMeter()
  const hold = (value: unknown, codec: string | null): Held => ({
    held: value,
    encoded: false,
    // Without a codec it is JSON.
    bytes: meter.bytesOf(value, codec === null ? 'tree' : 'graph'),
  })
  const holders: Record<Values, ValueMode['toLocal']> = {
    clone: holdEncoded,
    freeze: (content) => {
      const value = decodeContent(content, decode)
      return deepFreeze(value) ? hold(value, content.codec) : holdEncoded(content)
    },
    share: (content) => hold(decodeContent(content, decode), content.codec),
  }
  return {
    isShared: values !== 'clone',
    toLocal: holders[values],
    fromLocal: ({ held, encoded, codec, key }) => {
      if (!encoded) return held
      // A codec may hand out views of what it is given, so bytes are copied before they are decoded.
      return decode(typeof held === 'string' ? held : Buffer.from(held as Uint8Array), codec, key)
    },
  }
}

function holdEncoded({ text, bytes }: StoredContent): Held {
  if (text !== null) return { held: text, encoded: true, bytes: stringBytes(text) }
  const copy = copyOf(bytes ?? new Uint8Array())
  return { held: copy, encoded: true, bytes: bufferBytes(copy) }
}

function decodeContent({ text, bytes, codec, key }: KeyedContent, decode: Decode): unknown {
  return decode(text ?? copyOf(bytes ?? new Uint8Array()), codec, key)
}

/** A driver's buffers are slices of what it read from the socket, and would keep all of that alive. */
function copyOf(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.byteLength)
  copy.set(bytes)
  return copy
}

/**
 * Freezes plain objects and arrays and all that is in them, cycles and all. False, and possibly frozen in part, where something in it stays mutable
 * when frozen (a Buffer, a Date, a Map, an instance of a class): such a value is decoded for every hit instead.
 */
export function deepFreeze(value: unknown): boolean {
  const frozen = new Set<object>()
  const rest: unknown[] = [value]
  while (rest.length > 0) {
    const part = rest.pop()
    if (typeof part === 'function') return false
    if (typeof part !== 'object' || part === null) continue
    if (!isPlain(part)) return false
    // By this loop, or by the codec without what is in it: only then is there anything to remember.
    if (Object.isFrozen(part)) {
      if (frozen.has(part)) continue
      frozen.add(part)
    }
    Object.freeze(part)
    for (const item of Object.values(part)) rest.push(item)
  }
  return true
}

function isPlain(part: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(part)
  return prototype === Object.prototype || prototype === Array.prototype || prototype === null
}
