// What open transactions of callers have touched.

import type { Rule } from './rule.ts'

export const bypass: readonly Rule[] = [
  {
    without: 'of a transaction only keys are stored past',
    seenIn: 'transactions and loads',
    from: ' || tags.some((tag) => this.#coversTag(tag))',
    to: '',
  },
  {
    without: 'of a transaction only keys are not shared',
    seenIn: 'transactions and loads',
    from: 'this.#tags.size > 0 || this.#tagPrefixes.size > 0 || this.#coversKey(key)',
    to: 'this.#coversKey(key)',
  },
  {
    without: 'of a transaction prefixes of keys are ignored',
    seenIn: 'transactions and loads',
    from: ' || this.#keyPrefixes.mayBegin(key)',
    to: '',
  },
  {
    without: 'of a transaction prefixes of tags are ignored',
    seenIn: 'transactions and loads',
    from: ' || this.#tagPrefixes.mayBegin(tag)',
    to: '',
  },
  {
    without: 'a transaction that has ended is ignored',
    seenIn: 'transactions',
    from: 'if (others === 0) this.#counts.delete(name)\n      else this.#counts.set(name, others)',
    to: '',
  },
  {
    without: 'what two transactions touched is forgotten with the first',
    seenIn: 'two transactions',
    from: 'others === 0',
    to: '!(others < 0)',
  },
]
