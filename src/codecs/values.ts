// Chooses how a value is stored: bytes raw, everything else through the configured codec. JSON goes into the text
// column without a codec id, where SQL can read and write it; readers of any codec understand both, unless it refuses what it has not written.

import { isPromise, isUint8Array } from 'node:util/types'
import { CacheError, isCacheError } from '../core/errors.ts'
import type { StoredEntry } from '../core/entry.ts'
import { bytesCodec } from './bytes.ts'
import type { Codec, CodecContext } from './codec.ts'
import { jsonCodec } from './json.ts'

/** A value as its row holds it: exactly one of `text` and `bytes` is set. */
export interface EncodedValue {
  readonly text: string | null
  readonly bytes: Uint8Array | null
  readonly codec: string | null
  /** Bytes of the text in UTF-8, or of the bytes. */
  readonly size: number
}

export interface ValueOptions {
  readonly codec: Codec
  readonly maxValueBytes: number
  readonly schema: string
  readonly schemaPrefix: string
}

/** Throws `invalid-value` or `value-too-large`, naming the key. */
export function encodeValue(options: ValueOptions, key: string, value: unknown): EncodedValue {
  const encoded = encodeOfAnySize(options, key, value)
  assertSize(options, key, encoded)
  return encoded
}

/** Throws `invalid-value`, or `value-too-large` where a codec has a bound of its own, naming the key. */
export function encodeOfAnySize(options: ValueOptions, key: string, value: unknown): EncodedValue {
  const { codec } = options
  const used = isUint8Array(value) && codec.bytes !== 'encoded' ? bytesCodec : codec
  const encoded = encode(used, value, contextOf(options, key))
  const size = typeof encoded === 'string' ? Buffer.byteLength(encoded) : encoded.byteLength
  if (typeof encoded !== 'string') return { text: null, bytes: encoded, codec: used.id, size }
  return { text: encoded, bytes: null, codec: used === jsonCodec ? null : used.id, size }
}

/** Throws `value-too-large`, naming the key. */
export function assertSize({ maxValueBytes }: ValueOptions, key: string, { size }: EncodedValue): void {
  if (size <= maxValueBytes) return
  const message = `The value of key ${JSON.stringify(key)} takes ${size} bytes: more than \`maxValueBytes\`, ${maxValueBytes}`
  throw new CacheError('value-too-large', message, { key, option: 'maxValueBytes' })
}

/** What a read would give for the value; what is too large for the codec, as it is. Throws `invalid-value`, naming the key. */
export function asStored(options: ValueOptions, key: string, value: unknown): unknown {
  try {
    return decodeStored(options, { key, ...encodeOfAnySize(options, key, value) })
  } catch (error) {
    if (isCacheError(error, 'value-too-large')) return value
    throw error
  }
}

/** As decodeValue, of a row. */
export function decodeStored(
  options: ValueOptions,
  { key, text, bytes, codec }: Pick<StoredEntry, 'key' | 'text' | 'bytes' | 'codec'>,
): unknown {
  return decodeValue(options, key, codec, text ?? bytes ?? '')
}

/** Throws `invalid-value` for an entry of a codec that this process does not have, or that does not decode. */
export function decodeValue(
  options: ValueOptions,
  key: string,
  codec: string | null,
  content: string | Uint8Array,
): unknown {
  const used = codecOf(codec, options.codec)
  if (used === undefined) {
    const by = codec === null ? 'without a codec' : `by codec '${codec}'`
    const message = `The entry of key ${JSON.stringify(key)} was written ${by}, which is not configured here: it is a miss until it is written again`
    throw new CacheError('invalid-value', message, { key })
  }
  try {
    return used.decode(content, contextOf(options, key))
  } catch (cause) {
    // What others throw may show the value.
    const reason = cause instanceof CacheError ? `: ${cause.message}` : ''
    const message = `Codec '${used.id}' cannot decode the entry of key ${JSON.stringify(key)}${reason}`
    throw new CacheError('invalid-value', message, { key, cause })
  }
}

function contextOf({ schema, schemaPrefix }: ValueOptions, key: string): CodecContext {
  return { key, schema, schemaPrefix }
}

function codecOf(id: string | null, configured: Codec): Codec | undefined {
  if (id === configured.id) return configured
  if (configured.plain === 'refuse') return undefined
  if (id === null) return jsonCodec
  return id === bytesCodec.id ? bytesCodec : undefined
}

function encode(codec: Codec, value: unknown, context: CodecContext): string | Uint8Array {
  const { key } = context
  const encoded = attempt(codec, value, context)
  if (codec === jsonCodec || isUint8Array(encoded)) return encoded
  if (typeof encoded === 'string' && encoded.isWellFormed() && !encoded.includes('\0')) return encoded
  throw refusal(key, `codec '${codec.id}' must return bytes, or well-formed text without NUL`)
}

function attempt(codec: Codec, value: unknown, context: CodecContext): string | Uint8Array {
  const { key } = context
  // For every codec: undefined is how a miss looks, so it can never be a value.
  if (value === undefined) throw refusal(key, 'undefined means a miss; use null for "nothing there"')
  if (isPromise(value)) throw refusal(key, 'it is a promise: await it first')
  try {
    return codec.encode(value, context)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    if (!isCacheError(cause, 'value-too-large')) throw refusal(key, reason, cause)
    throw new CacheError(cause.code, cannotStore(key, reason), { key, option: cause.option, cause })
  }
}

function refusal(key: string, reason: string, cause?: unknown): CacheError {
  return new CacheError('invalid-value', cannotStore(key, reason), { key, cause })
}

function cannotStore(key: string, reason: string): string {
  return `Cannot store the value of key ${JSON.stringify(key)}: ${reason}`
}
