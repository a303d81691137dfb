// What the store holds, to be shown: one entry, or all of them page by page in key order. Never from the local cache, which holds a part only.

import type { ListedEntry } from './core/entry.ts'
import type { Gate } from './gate.ts'
import type { Background } from './memory/background.ts'
import type { LocalView } from './memory/coherence.ts'
import type { ResolvedScanOptions } from './options.ts'
import type { Page, Store } from './postgres/store.ts'

const PAGE_SIZE = 500
const LOOKED = 2_000 // 45 µs for one that a prefix has voided, on a busy machine

export class Scan {
  readonly #store: Store
  readonly #gate: Gate
  readonly #local: LocalView
  readonly #background: Background

  constructor(store: Store, gate: Gate, local: LocalView, background: Background) {
    this.#store = store
    this.#gate = gate
    this.#local = local
    this.#background = background
  }

  /** Perhaps stale; null where there is no valid entry. Whoever has seen it is not given anything older afterwards. */
  async find(key: string): Promise<ListedEntry | null> {
    const token = this.#local.open(key)
    try {
      const read = (): Promise<ListedEntry | null> => this.#gate.pass('read', () => this.#store.list(key), 1)
      const found = await this.#background.during(read)
      const known = this.#local.lastKnown(key)
      if (known === undefined || known.version !== found?.version) this.#local.forget(token)
      return found
    } finally {
      this.#local.abandon(token)
    }
  }

  async *entries({ prefix, tag, signal }: ResolvedScanOptions): AsyncGenerator<ListedEntry> {
    let after: string | null = ''
    while (after !== null) {
      signal?.throwIfAborted()
      const request = { after, prefix, tag, limit: PAGE_SIZE, looked: LOOKED }
      const read = (): Promise<Page> => this.#gate.pass('scan', () => this.#store.page(request))
      const page: Page = await this.#background.during(read)
      yield* page.entries
      after = page.after
    }
  }
}
