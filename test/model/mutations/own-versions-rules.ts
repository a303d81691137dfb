// What is no news.

import type { Rule } from './rule.ts'

export const ownVersions: readonly Rule[] = [
  {
    without: 'nothing that is heard is news',
    seenIn: 'reads',
    from: 'return this.#since.has(version) || this.#before.has(version)',
    to: 'return version !== undefined',
  },
]
