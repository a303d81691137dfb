// Bytes are stored as they are, whatever codec is configured: any Uint8Array goes in, a Buffer comes out.

import { isUint8Array } from 'node:util/types'
import { CacheError } from '../core/errors.ts'
import { expected } from '../core/expected.ts'
import type { Codec } from './codec.ts'

/** Copies both ways: neither the caller's array nor the one handed out may change what is cached. */
export const bytesCodec: Codec<Buffer> = {
  id: 'bytes',

  encode(value) {
    if (isUint8Array(value)) return Buffer.from(value)
    throw new CacheError('invalid-value', expected('value', 'a Uint8Array', value))
  },

  decode(stored) {
    return Buffer.from(stored)
  },
}
