// What an eviction finds.

import type { Rule } from './rule.ts'

export const localCache: readonly Rule[] = [
  {
    without: 'a tag evicts nothing',
    seenIn: 'tags and prefixes',
    from: 'for (const entry of this.#tags.withTag(tag)) this.#evictEntry(entry, reason)',
    to: '',
  },
  {
    without: 'a prefix of tags evicts nothing',
    seenIn: 'tags and prefixes',
    from: 'for (const entry of this.#tags.withTagPrefix(prefix)) this.#evictEntry(entry, reason)',
    to: '',
  },
  {
    without: 'a prefix of keys evicts nothing',
    seenIn: 'tags and prefixes',
    from: 'if (entry.key.startsWith(prefix)) this.#evictEntry(entry, reason)',
    to: '',
  },
  {
    without: 'a key evicts nothing',
    seenIn: 'own writes',
    from: 'this.#evictEntry(entry, reason)\n    return true',
    to: 'return true',
  },
  {
    without: 'an entry is not found by its tags',
    seenIn: 'tags and prefixes',
    from: 'this.#tags.add(entry)',
    to: '',
  },
]
