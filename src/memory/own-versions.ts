// The versions that statements of this process have written, once all that they did was taken in. To hear of one again, by hint or feed, is no news: what
// was held then was compared with it, what was under way was told, and whatever began later sees it or something newer. Without this, a key that is
// written often would lose its newest version to the news of those before it. A hint that is forged under such a version does as much as one that is lost.

import type { Version } from '../core/entry.ts'

// Nobody syncs while a process only writes. Forgetting costs an eviction.
const MAX_VERSIONS = 10_000

export class OwnVersions {
  /** Taken in before the sync under way was sent: its reply, if not an earlier one, tells of them for the last time. */
  #before = new Set<Version>()
  #since = new Set<Version>()

  /** What the future depends on, for the model. */
  get all(): readonly (readonly Version[])[] {
    return [[...this.#before], [...this.#since]]
  }

  add(version: Version): void {
    if (this.#since.size >= MAX_VERSIONS) this.forget()
    this.#since.add(version)
  }

  has(version: Version): boolean {
    return this.#since.has(version) || this.#before.has(version)
  }

  syncBegins(): void {
    if (this.#before.size + this.#since.size > MAX_VERSIONS) this.forget()
    for (const version of this.#since) this.#before.add(version)
    this.#since.clear()
  }

  syncEnded(): void {
    this.#before.clear()
  }

  forget(): void {
    this.#before.clear()
    this.#since.clear()
  }
}
