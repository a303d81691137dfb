// What happened while something was under way.

import type { Rule } from './rule.ts'

export const tokens: readonly Rule[] = [
  {
    without: 'of two versions told, the last counts',
    seenIn: 'reads',
    from: 'token.told = token.told === undefined || token.told === version ? version : CONFLICT',
    to: 'token.told = version',
  },
  {
    without: 'of two versions told, the first counts',
    seenIn: 'reads',
    from: 'token.told = token.told === undefined || token.told === version ? version : CONFLICT',
    to: 'token.told ??= version',
  },
  {
    without: 'what a token was told does not matter',
    seenIn: 'reads',
    from: ' && (token.told === undefined || token.told === version)',
    to: '',
  },
  {
    without: 'only one token of a key is told',
    seenIn: 'reads',
    from: 'while (token !== first)',
    to: 'while (token === undefined)',
  },
  {
    without: 'an epoch does not end',
    seenIn: 'loads',
    from: 'this.#epoch++',
    to: '',
  },
  {
    without: 'a contradiction is not told',
    seenIn: 'own writes',
    from: 'this.tell(key, CONFLICT)',
    to: '',
  },
  {
    without: 'a reply of an older epoch is stored',
    seenIn: 'loads',
    from: 'token.epoch === this.#epoch && ',
    to: '',
  },
  {
    without: 'a reply to a closed token is stored',
    seenIn: 'loads of what cannot be decoded',
    from: 'token.open && ',
    to: '',
  },
]
