// What an eviction finds by tags.

import type { Rule } from './rule.ts'

export const tagIndex: readonly Rule[] = [
  {
    without: 'a tag finds one entry of two',
    seenIn: 'tags of several entries',
    from: 'else this.#byTag.set(tag, new Set([present, entry]))',
    to: '',
  },
  {
    without: 'a tag finds two entries of three',
    seenIn: 'tags of several entries',
    from: 'else if (present instanceof Set) present.add(entry)',
    to: 'else if (present instanceof Set) present.size',
  },
]
