// What open transactions of this process's callers have touched. Until a sync shows that such a transaction is over,
// nothing it touched may enter the local cache or be shared between callers: when its commit is acknowledged, its
// caller must see what it wrote, and only the caller's own client knows that moment.

import type { Change } from '../core/change.ts'

export type Targets = Pick<Change, 'keys' | 'tags' | 'keyPrefixes' | 'tagPrefixes'>

export class Bypass {
  readonly #open = new Set<Targets>()

  get size(): number {
    return this.#open.size
  }

  add(targets: Targets): void {
    this.#open.add(targets)
  }

  remove(targets: Targets): void {
    this.#open.delete(targets)
  }

  /** Whether a value of this key with these tags must stay out. */
  covers(key: string, tags: readonly string[]): boolean {
    for (const targets of this.#open) {
      if (coversKey(targets, key) || tags.some((tag) => coversTag(targets, tag))) return true
    }
    return false
  }

  /** Whether a value of this key might have to stay out: its tags are not known before it is read. */
  mayCover(key: string): boolean {
    for (const targets of this.#open) {
      if (targets.tags.length > 0 || targets.tagPrefixes.length > 0 || coversKey(targets, key)) return true
    }
    return false
  }
}

function coversKey(targets: Targets, key: string): boolean {
  return targets.keys.includes(key) || targets.keyPrefixes.some((prefix) => key.startsWith(prefix))
}

function coversTag(targets: Targets, tag: string): boolean {
  return targets.tags.includes(tag) || targets.tagPrefixes.some((prefix) => tag.startsWith(prefix))
}
