// An entry on its way to the store, and as it is read back from there.

import type { EncodedValue } from './codecs/values.ts'
import type { StoredEntry, Version } from './core/entry.ts'
import { type ResolvedSetOptions, toKeepMs } from './options.ts'
import type { EntryWrite, LoadToken } from './postgres/store.ts'

export function toEntryWrite(
  key: string,
  { text, bytes, codec }: EncodedValue,
  { ttlMs, graceMs, tags }: ResolvedSetOptions,
  token: LoadToken | null,
): EntryWrite {
  return {
    key,
    text,
    bytes,
    codec,
    tags,
    freshMs: ttlMs,
    keepMs: toKeepMs(ttlMs, graceMs),
    token,
  }
}

// Spelled out: spreading costs more than the rest of an acknowledgement.
export function toStored(write: EntryWrite, version: Version): StoredEntry {
  return {
    key: write.key,
    text: write.text,
    bytes: write.bytes,
    codec: write.codec,
    tags: write.tags,
    version,
    freshMs: write.freshMs ?? Infinity,
    keepMs: write.keepMs ?? Infinity,
  }
}
