// The default codec: JSON text, which SQL can read. Nested undefined, NaN, Date, Map and toJSON follow JSON.stringify.

import { CacheError } from '../core/errors.ts'
import { expected } from '../core/expected.ts'
import type { Codec } from './codec.ts'

export const jsonCodec: Codec = {
  id: 'json',

  encode(value) {
    const text = stringify(value)
    // JSON.stringify answers undefined for undefined, functions, symbols, and a toJSON that returns one of them.
    if (text !== undefined) return text
    throw new CacheError('invalid-value', expected('value', 'representable in JSON', value))
  },

  decode(stored) {
    try {
      return JSON.parse(typeof stored === 'string' ? stored : Buffer.from(stored).toString())
    } catch {
      // Without the cause, which quotes what is stored.
      throw new CacheError('invalid-value', 'what is stored is not JSON')
    }
  },
}

function stringify(value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new CacheError('invalid-value', `Expected \`value\` to be representable in JSON: ${reason}`, {
      cause,
    })
  }
}
