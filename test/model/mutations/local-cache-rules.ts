// What an eviction finds.

import type { Rule } from './rule.ts'

export const localCache: readonly Rule[] = [
  {
    without: 'a tag evicts nothing',
    seenIn: 'tags and prefixes',
    from: 'this.#evictEntries(this.#tags.withTag(tag), reason)',
    to: '{}',
  },
  {
    without: 'a prefix of tags evicts nothing',
    seenIn: 'tags and prefixes',
    from: 'this.#evictEntries(this.#tags.withPrefixes(new Prefixes(tagPrefixes)), reason)',
    to: '{}',
  },
  {
    without: 'a prefix of keys evicts nothing',
    seenIn: 'tags and prefixes',
    from: 'this.#evictEntries(this.#withPrefixes(new Prefixes(keyPrefixes)), reason)',
    to: '{}',
  },
  {
    without: 'tags are ignored',
    seenIn: 'tags and prefixes',
    from: 'tags.length + keyPrefixes.length',
    to: 'keyPrefixes.length',
  },
  {
    without: 'prefixes of keys are ignored',
    seenIn: 'tags and prefixes',
    from: 'keyPrefixes.length + tagPrefixes.length',
    to: 'tagPrefixes.length',
  },
  {
    without: 'prefixes of tags are ignored',
    seenIn: 'tags and prefixes',
    from: 'keyPrefixes.length + tagPrefixes.length',
    to: 'keyPrefixes.length',
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
