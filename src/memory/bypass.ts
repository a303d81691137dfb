// What open transactions of this process's callers have touched. Until a sync shows that such a transaction is over,
// nothing it touched may enter the local cache or be shared between callers: when its commit is acknowledged, its
// caller must see what it wrote, and only the caller's own client knows that moment.
//
// Every read asks, so what it costs depends neither on how many transactions are open nor on how much they have touched.

import type { Change } from '../core/change.ts'

export type Targets = Pick<Change, 'keys' | 'tags' | 'keyPrefixes' | 'tagPrefixes'>

// Of each kind: some megabytes for a transaction. One that touches more stands for everything: what is held stays, but nothing else comes in.
const MAX_NAMES = 10_000
// Those of all transactions are compared one by one; where there are more, they stand for everything.
const MAX_PREFIXES = 64

export class Bypass {
  readonly #open = new Set<string>()
  readonly #keys = new Touched()
  readonly #tags = new Touched()
  readonly #keyPrefixes = new Touched()
  readonly #tagPrefixes = new Touched()
  readonly #everything = new Set<string>()

  /** Transactions. */
  get size(): number {
    return this.#open.size
  }

  /** May be called as often as the transaction touches something. */
  add(txid: string, { keys, tags, keyPrefixes, tagPrefixes }: Targets): void {
    this.#open.add(txid)
    if (this.#everything.has(txid)) return
    const hasRoom =
      this.#keys.add(txid, keys) &&
      this.#tags.add(txid, tags) &&
      this.#keyPrefixes.add(txid, keyPrefixes) &&
      this.#tagPrefixes.add(txid, tagPrefixes)
    if (hasRoom) return
    this.remove(txid)
    this.#open.add(txid)
    this.#everything.add(txid)
  }

  /** The transaction is over. */
  remove(txid: string): void {
    this.#open.delete(txid)
    this.#everything.delete(txid)
    this.#keys.remove(txid)
    this.#tags.remove(txid)
    this.#keyPrefixes.remove(txid)
    this.#tagPrefixes.remove(txid)
  }

  /** Whether a value of this key with these tags must stay out. */
  covers(key: string, tags: readonly string[]): boolean {
    return this.#coversKey(key) || tags.some((tag) => this.#coversTag(tag))
  }

  /** Whether a value of this key might have to stay out: its tags are not known before it is read. */
  mayCover(key: string): boolean {
    return this.#tags.size > 0 || this.#tagPrefixes.size > 0 || this.#coversKey(key)
  }

  #coversKey(key: string): boolean {
    return this.#everything.size > 0 || this.#keys.has(key) || this.#keyPrefixes.mayBegin(key)
  }

  #coversTag(tag: string): boolean {
    return this.#tags.has(tag) || this.#tagPrefixes.mayBegin(tag)
  }
}

/** Names of one kind, and by how many transactions each was touched. */
class Touched {
  readonly #byTransaction = new Map<string, Set<string>>()
  readonly #counts = new Map<string, number>()

  get size(): number {
    return this.#counts.size
  }

  has(name: string): boolean {
    return this.#counts.has(name)
  }

  mayBegin(text: string): boolean {
    if (this.#counts.size > MAX_PREFIXES) return true
    for (const prefix of this.#counts.keys()) if (text.startsWith(prefix)) return true
    return false
  }

  /** False where the transaction has too many, and nobody knows which of these were added. */
  add(txid: string, names: readonly string[]): boolean {
    if (names.length === 0) return true
    const own = this.#byTransaction.get(txid) ?? new Set()
    this.#byTransaction.set(txid, own)
    for (const name of names) {
      if (own.has(name)) continue
      if (own.size === MAX_NAMES) return false
      own.add(name)
      this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
    }
    return true
  }

  remove(txid: string): void {
    for (const name of this.#byTransaction.get(txid) ?? []) {
      const others = (this.#counts.get(name) as number) - 1
      if (others === 0) this.#counts.delete(name)
      else this.#counts.set(name, others)
    }
    this.#byTransaction.delete(txid)
  }
}
