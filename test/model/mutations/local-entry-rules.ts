// How long an entry is served.

import type { Rule } from './rule.ts'

export const localEntry: readonly Rule[] = [
  {
    without: 'an entry is fresh for ever',
    seenIn: 'a clock that jumps on',
    from: 'sentAt + Math.min(stored.freshMs, localTtlMs)',
    to: 'Infinity',
  },
  {
    without: 'an entry is kept for ever',
    seenIn: 'last known while a clock is set',
    from: 'sentAt + stored.keepMs',
    to: 'Infinity',
  },
]
