// Which entries of the local cache carry a tag, so that a tag is evicted without looking at every entry.

import type { LocalEntry } from './local-entry.ts'
import type { Prefixes } from './prefixes.ts'

export class TagIndex {
  // A tag of one entry, such as `user:17`, costs no set.
  readonly #byTag = new Map<string, LocalEntry | Set<LocalEntry>>()

  get size(): number {
    return this.#byTag.size
  }

  add(entry: LocalEntry): void {
    for (const tag of entry.tags) {
      const present = this.#byTag.get(tag)
      if (present === undefined || present === entry) this.#byTag.set(tag, entry)
      else if (present instanceof Set) present.add(entry)
      else this.#byTag.set(tag, new Set([present, entry]))
    }
  }

  delete(entry: LocalEntry): void {
    for (const tag of entry.tags) {
      const present = this.#byTag.get(tag)
      if (present === entry) this.#byTag.delete(tag)
      else if (present instanceof Set && present.delete(entry) && present.size === 0) this.#byTag.delete(tag)
    }
  }

  /** A copy, so that the caller may delete while it goes through them. */
  withTag(tag: string): LocalEntry[] {
    const present = this.#byTag.get(tag)
    if (present === undefined) return []
    return present instanceof Set ? [...present] : [present]
  }

  /** Looks at every tag, not at every entry. */
  withPrefixes(prefixes: Prefixes): Set<LocalEntry> {
    const found = new Set<LocalEntry>()
    for (const tag of this.#byTag.keys()) {
      if (!prefixes.begin(tag)) continue
      for (const entry of this.withTag(tag)) found.add(entry)
    }
    return found
  }

  clear(): void {
    this.#byTag.clear()
  }
}
