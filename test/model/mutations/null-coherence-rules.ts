// The rules that are left without a local cache.

import type { Rule } from './rule.ts'

export const nullCoherence: readonly Rule[] = [
  {
    without: 'without a local cache: callers join what began before an answer',
    seenIn: 'no local cache',
    from: "this.#detach(token.key)\n    return 'not-stored'",
    to: "return 'not-stored'",
  },
  {
    without: 'without a local cache: callers join what began before the key was forgotten',
    seenIn: 'no local cache, removals and tags',
    from: 'forget(token: Token): void {\n    this.#detach(token.key)',
    to: 'forget(_token: Token): void {',
  },
  {
    without: 'without a local cache: callers join what began before a change of the key',
    seenIn: 'no local cache, removals and tags',
    from: 'for (const key of keys) this.#detach(key)',
    to: '',
  },
  {
    without: 'without a local cache: callers join what began before a change of a tag',
    seenIn: 'no local cache, removals and tags',
    from: 'if (tags.length + keyPrefixes.length + tagPrefixes.length > 0) this.detachAll()',
    to: '',
  },
  {
    without: 'without a local cache: a transaction is not followed',
    seenIn: 'no local cache, transactions',
    from: 'this.#bypass.add(txid, targets)',
    to: '',
  },
  {
    without: 'without a local cache: callers join what began before a sync told of it',
    seenIn: 'no local cache, transactions',
    from: 'for (const txid of finished) this.#bypass.remove(txid)\n    this.detachAll()',
    to: 'for (const txid of finished) this.#bypass.remove(txid)',
  },
  {
    without: 'without a local cache: after sync() callers join what began before',
    seenIn: 'no local cache',
    from: 'for (const joins of this.#joins) joins.detachAll()',
    to: '',
  },
  {
    without: 'without a local cache: callers share what an open transaction has touched',
    seenIn: 'no local cache, transactions',
    from: 'this.#bypass.size === 0 || !this.#bypass.mayCover(key)',
    to: 'true',
  },
]
