// Who shares an answer.

import type { Rule } from './rule.ts'

export const flights: readonly Rule[] = [
  {
    without: 'a flight never ends',
    seenIn: 'reads',
    from: 'if (this.#flights.get(key) === flight) this.#flights.delete(key)',
    to: '',
  },
  {
    without: 'a flight is not detached',
    seenIn: 'reads',
    from: 'detach(key: string): void {\n    this.#flights.delete(key)',
    to: 'detach(_key: string): void {',
  },
  {
    without: 'flights are not detached',
    seenIn: 'sync()',
    from: 'this.#flights.clear()',
    to: '',
  },
]
