// What is written in one call: an entry may say of itself what the call says of all.

import { checkNames, invalid } from './core/check.ts'
import { assertKey } from './core/key.ts'
import {
  type CallDefaults,
  checkCallOptions,
  ENTRY_NAMES,
  type EntryOptions,
  type ResolvedSetOptions,
  resolveSetOptions,
  type SetEntry,
  type SetOptions,
} from './options.ts'

const NAMES: Readonly<Record<'key' | 'value' | keyof EntryOptions, unknown>> = {
  key: undefined,
  value: undefined,
  ttl: undefined,
  grace: undefined,
  tags: undefined,
}

export interface ResolvedSetEntry extends ResolvedSetOptions {
  readonly key: string
  readonly value: unknown
}

/** An object has no entries to go through, and nothing would be stored. */
export function checkEntries(entries: Iterable<SetEntry>): Iterable<SetEntry> {
  if (typeof entries === 'object' && (entries as object | null) !== null && Symbol.iterator in entries)
    return entries
  throw invalid('entries', 'an array or a Map, such as Object.entries(values)', entries)
}

export function checkEntry(entry: unknown): void {
  if (typeof entry === 'object' && entry !== null) return
  throw invalid('entry', 'a pair [key, value], or an object with `key` and `value`', entry)
}

export function isPair(entry: SetEntry): entry is readonly [string, unknown] {
  return Array.isArray(entry)
}

/** Checks the key, too. The value is left to the codec. */
export function resolveSetEntry(
  entry: SetEntry,
  options: EntryOptions | undefined,
  defaults: Pick<CallDefaults, 'ttlMs' | 'graceMs'>,
): ResolvedSetEntry {
  checkEntry(entry)
  if (isPair(entry)) {
    const [key, value] = entry
    assertKey(key)
    return { key, value, ...resolveSetOptions(options, defaults) }
  }
  checkNames(entry, NAMES)
  const { key, value, ttl = options?.ttl, grace = options?.grace, tags = options?.tags } = entry
  assertKey(key)
  return { key, value, ...resolveSetOptions({ ttl, grace, tags }, defaults) }
}

export function resolveSetEntries(
  entries: Iterable<SetEntry>,
  options: SetOptions | undefined,
  defaults: Pick<CallDefaults, 'ttlMs' | 'graceMs'>,
): ResolvedSetEntry[] {
  checkCallOptions(options, ENTRY_NAMES)
  return Array.from(checkEntries(entries), (entry) => resolveSetEntry(entry, options, defaults))
}
