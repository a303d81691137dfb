// What open transactions of callers have touched.

import type { Rule } from './rule.ts'

export const bypass: readonly Rule[] = [
  {
    without: 'of a transaction only keys are stored past',
    seenIn: 'transactions and loads',
    from: 'coversKey(targets, key) || tags.some((tag) => coversTag(targets, tag))',
    to: 'coversKey(targets, key)',
  },
  {
    without: 'of a transaction only keys are not shared',
    seenIn: 'transactions and loads',
    from: 'targets.tags.length > 0 || targets.tagPrefixes.length > 0 || coversKey(targets, key)',
    to: 'coversKey(targets, key)',
  },
  {
    without: 'of a transaction prefixes of keys are ignored',
    seenIn: 'transactions and loads',
    from: ' || targets.keyPrefixes.some((prefix) => key.startsWith(prefix))',
    to: '',
  },
  {
    without: 'of a transaction prefixes of tags are ignored',
    seenIn: 'transactions and loads',
    from: ' || targets.tagPrefixes.some((prefix) => tag.startsWith(prefix))',
    to: '',
  },
  {
    without: 'a transaction that has ended is ignored',
    seenIn: 'transactions',
    from: 'this.#open.delete(targets)',
    to: '',
  },
]
