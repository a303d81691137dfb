// From which world, and without a gap.

import type { Rule } from './rule.ts'

export const syncReply: readonly Rule[] = [
  {
    without: 'a doubt does not matter',
    seenIn: 'worlds',
    from: ' && !this.#isDoubted',
    to: '',
  },
  {
    without: 'any sync ends a doubt',
    seenIn: 'worlds',
    from: 'this.#isDoubted = this.#isDoubtedSinceBegin',
    to: 'this.#isDoubted = false',
  },
  {
    without: 'a reply need not be of the world of the last sync',
    seenIn: 'worlds',
    from: ' && world === this.#world',
    to: '',
  },
  {
    without: 'another world does not flush',
    seenIn: 'worlds',
    from: "if (!sameWorld) return 'world'",
    to: '',
  },
  {
    without: 'a gap does not flush',
    seenIn: 'gaps and recovery',
    from: "cursor === 'gap' ? 'gap' : undefined",
    to: 'undefined',
  },
  {
    without: 'recovery does not flush',
    seenIn: 'transactions and recovery',
    from: "if (world === null) return 'recovery'",
    to: 'if (world === null) return undefined',
  },
  {
    without: 'clocks of process and database need not agree',
    seenIn: 'a machine that stands still',
    from: "if (!clocksAgree) return 'clock'",
    to: '',
  },
]
