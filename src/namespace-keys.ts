// The keys of a namespace as its cache has them, and back. What the caller gave is checked by itself: with the prefix in front, an empty key
// would pass.

import { checkObject } from './core/check.ts'
import { assertKey, assertKeys, assertPrefix } from './core/key.ts'
import { resolveWatchOptions, type ScanOptions, type SetEntry, type WatchOptions } from './options.ts'
import { checkEntries, checkEntry, isPair } from './set-entries.ts'

export class NamespaceKeys {
  readonly #prefix: string

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  in(key: string): string {
    assertKey(key)
    return this.#prefix + key
  }

  allIn(keys: readonly string[]): string[] {
    assertKeys(keys)
    return keys.map((key) => this.#prefix + key)
  }

  out(key: string): string {
    return key.slice(this.#prefix.length)
  }

  prefixIn(prefix: string): string {
    assertPrefix(prefix)
    return this.#prefix + prefix
  }

  entriesIn(entries: Iterable<SetEntry>): SetEntry[] {
    return Array.from(checkEntries(entries), (entry): SetEntry => {
      checkEntry(entry)
      return isPair(entry) ? [this.in(entry[0]), entry[1]] : { ...entry, key: this.in(entry.key) }
    })
  }

  scanIn(options: ScanOptions = {}): ScanOptions {
    const { prefix = '' } = checkObject(options)
    assertPrefix(prefix, 'allowed')
    return { ...options, prefix: this.#prefix + prefix }
  }

  patternsIn(options: WatchOptions): WatchOptions {
    const given = resolveWatchOptions(options)
    // Braces in the name are not columns.
    const prefix = this.#prefix.replace(/[{}]/g, '$&$&')
    return { ...given, keys: given.keys.map((key) => prefix + key) }
  }
}
