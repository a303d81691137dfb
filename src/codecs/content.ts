// What a codec has made of a value as one run of bytes, for the codecs that go around another one.

import { isUint8Array } from 'node:util/types'
import { CacheError } from '../core/errors.ts'
import type { Codec, CodecContext } from './codec.ts'

// Stored: a kind never gets another meaning.
const TEXT = 0
const BYTES = 1
/** A Uint8Array that the inner codec leaves alone. */
const RAW = 2

export interface Content {
  readonly kind: number
  readonly bytes: Uint8Array
}

export function toContent(codec: Codec, value: unknown, context: CodecContext): Content {
  if (isUint8Array(value) && codec.bytes !== 'encoded') return { kind: RAW, bytes: value }
  const encoded = codec.encode(value, context)
  if (typeof encoded === 'string') return { kind: TEXT, bytes: Buffer.from(encoded) }
  return { kind: BYTES, bytes: encoded }
}

export function fromContent(codec: Codec, { kind, bytes }: Content, context: CodecContext): unknown {
  if (kind === TEXT)
    return codec.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(), context)
  if (kind === BYTES) return codec.decode(bytes, context)
  if (kind === RAW) return Buffer.from(bytes)
  throw malformed(`content of kind ${kind}`)
}

export function malformed(what: string): CacheError {
  return new CacheError('invalid-value', `The stored bytes are not what this codec writes: ${what}`)
}
