// Whether time passes here as it does in the database.

import type { Rule } from './rule.ts'

export const databaseClock: readonly Rule[] = [
  {
    without: "the database's clock may run ahead",
    seenIn: 'a machine that stands still',
    from: 'elapsed <= now.receivedAt - anchor.sentAt + tolerance',
    to: 'true',
  },
]
