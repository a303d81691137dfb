// What codecs have stored must stay readable: stored.json is only ever added to. Its keys and its place are written down here.

import { readFileSync } from 'node:fs'
import * as zlib from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { Codec } from '../../../src/codecs/codec.ts'
import { compressed } from '../../../src/codecs/compressed.ts'
import { encrypted } from '../../../src/codecs/encrypted.ts'

interface Stored {
  readonly what: string
  readonly codec: 'compressed' | 'encrypted' | 'both'
  readonly stored: string
  /** Or `bytes`, in base64. */
  readonly value?: unknown
  readonly bytes?: string
}

const place = { key: 'user:1', schema: 'postgres_cache', schemaPrefix: 'app_' }
const keys = { '2026': Buffer.alloc(32, 7), later: Buffer.alloc(32, 8) }
const codecs: Record<Stored['codec'], Codec> = {
  compressed: compressed(),
  encrypted: encrypted({ keys, current: 'later' }),
  both: encrypted({ keys, current: 'later', codec: compressed() }),
}
const all = JSON.parse(readFileSync(new URL('stored.json', import.meta.url), 'utf8')) as Stored[]
const hasZstd = 'zstdDecompressSync' in zlib

describe('what was stored before is read', () => {
  it.each(
    all.filter(({ what }) => hasZstd || !what.includes('zstd')).map((each) => [each.what, each] as const),
  )('%s', (_, { codec, stored, value, bytes }) => {
    const expected = bytes === undefined ? value : Buffer.from(bytes, 'base64')
    expect(codecs[codec].decode(Buffer.from(stored, 'base64'), place)).toEqual(expected)
  })
})

describe('where this Node has no zstd', () => {
  it.skipIf(hasZstd)('what was stored with it is refused, not misread [this one has]', () => {
    const { stored = '' } = all.find(({ what }) => what.includes('zstd')) ?? {}
    expect(() => codecs.compressed.decode(Buffer.from(stored, 'base64'), place)).toThrow('has no zstd')
  })
})
