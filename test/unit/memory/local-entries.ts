import type { StoredEntry } from '../../../src/core/entry.ts'
import { LocalEntry } from '../../../src/memory/local-entry.ts'
import { resolveValueMode } from '../../../src/memory/value-modes.ts'

const decodeJson = (content: string | Uint8Array): unknown => JSON.parse(String(content))

/** Entries as they come from the store, with what a test does not care about filled in. */
export function storedEntry(key: string, fields: Partial<StoredEntry> = {}): StoredEntry {
  return {
    key,
    text: '"value"',
    bytes: null,
    codec: null,
    tags: [],
    version: '1',
    freshMs: 60_000,
    keepMs: 60_000,
    ...fields,
  }
}

export function localEntry(key: string, fields: Partial<StoredEntry> & { sentAt?: number } = {}): LocalEntry {
  const { sentAt = 0, ...stored } = fields
  return new LocalEntry(
    storedEntry(key, stored),
    sentAt,
    resolveValueMode('clone', decodeJson),
    Number.POSITIVE_INFINITY,
  )
}
