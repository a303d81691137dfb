// Listing what the store holds, page by page in key order. Never through the local cache, which holds a part only.

import type { ListedEntry } from './core/entry.ts'
import type { Gate } from './gate.ts'
import type { ResolvedScanOptions } from './options.ts'
import type { Store } from './postgres/store.ts'

const PAGE_SIZE = 500

export class Scan {
  readonly #store: Store
  readonly #gate: Gate

  constructor(store: Store, gate: Gate) {
    this.#store = store
    this.#gate = gate
  }

  /** Perhaps stale; null where there is no valid entry. */
  find(key: string): Promise<ListedEntry | null> {
    return this.#gate.pass('read', () => this.#store.list(key))
  }

  async *entries({ prefix, tag, signal }: ResolvedScanOptions): AsyncGenerator<ListedEntry> {
    let after = ''
    for (;;) {
      signal?.throwIfAborted()
      const page = await this.#gate.pass('scan', () =>
        this.#store.page({ after, prefix, tag, limit: PAGE_SIZE }),
      )
      yield* page
      const last = page.at(-1)
      if (last === undefined || page.length < PAGE_SIZE) return
      after = last.key
    }
  }
}
