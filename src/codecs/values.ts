// Chooses how a value is stored: bytes raw, everything else through the configured codec. JSON goes into the text
// column without a codec id, where SQL can read and write it; readers of any codec understand both.

import { isUint8Array } from 'node:util/types'
import { CacheError } from '../core/errors.ts'
import type { StoredEntry } from '../core/entry.ts'
import { bytesCodec } from './bytes.ts'
import type { Codec } from './codec.ts'
import { jsonCodec } from './json.ts'

/** A value as its row holds it: exactly one of `text` and `bytes` is set. */
export interface EncodedValue {
  readonly text: string | null
  readonly bytes: Uint8Array | null
  readonly codec: string | null
  /** Bytes of the text in UTF-8, or of the bytes. */
  readonly size: number
}

export interface EncodeLimits {
  readonly key: string
  readonly maxValueBytes: number
}

/** Throws `invalid-value` or `value-too-large`, naming the key. */
export function encodeValue(
  codec: Codec,
  value: unknown,
  { key, maxValueBytes }: EncodeLimits,
): EncodedValue {
  const used = isUint8Array(value) ? bytesCodec : codec
  const encoded = encode(used, value, key)
  const size = typeof encoded === 'string' ? Buffer.byteLength(encoded) : encoded.byteLength
  if (size > maxValueBytes) {
    const message = `The value of key ${JSON.stringify(key)} takes ${size} bytes: more than \`maxValueBytes\`, ${maxValueBytes}`
    throw new CacheError('value-too-large', message, { key, option: 'maxValueBytes' })
  }
  if (typeof encoded !== 'string') return { text: null, bytes: encoded, codec: used.id, size }
  return { text: encoded, bytes: null, codec: used === jsonCodec ? null : used.id, size }
}

/** Throws `invalid-value` for an entry of a codec that this process does not have, or that does not decode. */
export function decodeValue(codec: Codec, stored: Pick<StoredEntry, 'text' | 'bytes' | 'codec'>): unknown {
  const used = codecOf(stored.codec, codec)
  if (used === undefined) {
    throw new CacheError(
      'invalid-value',
      `The entry was written by codec '${stored.codec}', which is not configured here`,
    )
  }
  try {
    return used.decode(stored.text ?? stored.bytes ?? '')
  } catch (cause) {
    throw new CacheError('invalid-value', `Codec '${used.id}' cannot decode the entry`, { cause })
  }
}

function codecOf(id: string | null, configured: Codec): Codec | undefined {
  if (id === null) return jsonCodec
  if (id === bytesCodec.id) return bytesCodec
  return id === configured.id ? configured : undefined
}

function encode(codec: Codec, value: unknown, key: string): string | Uint8Array {
  const encoded = attempt(codec, value, key)
  if (codec === jsonCodec || isUint8Array(encoded)) return encoded
  if (typeof encoded === 'string' && encoded.isWellFormed() && !encoded.includes('\0')) return encoded
  throw refusal(key, `codec '${codec.id}' must return bytes, or well-formed text without NUL`)
}

function attempt(codec: Codec, value: unknown, key: string): string | Uint8Array {
  // For every codec: undefined is how a miss looks, so it can never be a value.
  if (value === undefined) throw refusal(key, 'undefined means a miss; use null for "nothing there"')
  try {
    return codec.encode(value)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw refusal(key, reason, cause)
  }
}

function refusal(key: string, reason: string, cause?: unknown): CacheError {
  return new CacheError('invalid-value', `Cannot store the value of key ${JSON.stringify(key)}: ${reason}`, {
    key,
    cause,
  })
}
