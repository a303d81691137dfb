// The bounded entries of the local cache (L1). It knows how much it may hold and what to give up first, and nothing
// about whether an entry may still be served: that is Coherence's.
//
// Eviction is SIEVE (Zhang et al., NSDI 2024): a queue in order of insertion and a hand that moves from old to new,
// spares what was hit since it last passed, and evicts the first entry that was not. A hit sets one flag.

import type { Targets } from './bypass.ts'
import type { LocalEntry } from './local-entry.ts'
import { Prefixes } from './prefixes.ts'
import { TagIndex } from './tag-index.ts'

export type EvictionReason =
  /** The bounds of entries or bytes. */
  | 'capacity'
  /** Past its last deadline. */
  | 'expired'
  /** A hint, the feed, or a write of this process told of a change. */
  | 'changed'
  /** A reply from the store contradicts it. */
  | 'contradicted'

export type OnEvicted = (key: string, reason: EvictionReason) => void

export interface LocalCacheBounds {
  readonly maxEntries: number
  readonly maxBytes: number
}

export class LocalCache {
  readonly #maxEntries: number
  readonly #maxBytes: number
  readonly #onEvicted: OnEvicted
  readonly #entries = new Map<string, LocalEntry>()
  readonly #tags = new TagIndex()
  #newest: LocalEntry | undefined
  #oldest: LocalEntry | undefined
  #hand: LocalEntry | undefined
  #bytes = 0

  constructor(bounds: LocalCacheBounds, onEvicted: OnEvicted) {
    this.#maxEntries = bounds.maxEntries
    this.#maxBytes = bounds.maxBytes
    this.#onEvicted = onEvicted
  }

  get size(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** For a hit: the entry will be spared by the hand once. */
  get(key: string): LocalEntry | undefined {
    const entry = this.#entries.get(key)
    if (entry !== undefined) entry.visited = true
    return entry
  }

  /** To look, without the effect of a hit. */
  find(key: string): LocalEntry | undefined {
    return this.#entries.get(key)
  }

  keys(): IterableIterator<string> {
    return this.#entries.keys()
  }

  /** False where the entry alone exceeds the bound of bytes. Replaces an entry of the same key. */
  put(entry: LocalEntry, nowWall: number): boolean {
    const present = this.#entries.get(entry.key)
    if (entry.bytes > this.#maxBytes || this.#maxEntries < 1) {
      if (present !== undefined) this.#remove(present)
      return false
    }
    if (present !== undefined) {
      entry.visited = present.visited
      this.#unlist(present)
      // In its place, without a deletion: churning-map.ts says why.
      entry.key = present.key
      this.#entries.set(entry.key, entry)
    }
    const others = this.#maxEntries - (present === undefined ? 1 : 0)
    while (this.#entries.size > others || this.#bytes + entry.bytes > this.#maxBytes) {
      if (!this.#evictOne(nowWall)) break
    }
    this.#insert(entry)
    return true
  }

  evict(key: string, reason: EvictionReason): boolean {
    const entry = this.#entries.get(key)
    if (entry === undefined) return false
    this.#evictEntry(entry, reason)
    return true
  }

  /**
   * What carries one of the tags, or begins with one of the prefixes: all of them in one pass, however many they are.
   * Whether there are tags or prefixes at all.
   */
  evictTargets(targets: readonly Omit<Targets, 'keys'>[], reason: EvictionReason): boolean {
    const tags = targets.flatMap((target) => target.tags)
    const keyPrefixes = targets.flatMap((target) => target.keyPrefixes)
    const tagPrefixes = targets.flatMap((target) => target.tagPrefixes)
    for (const tag of tags) this.#evictEntries(this.#tags.withTag(tag), reason)
    if (tagPrefixes.length > 0) this.#evictEntries(this.#tags.withPrefixes(new Prefixes(tagPrefixes)), reason)
    if (keyPrefixes.length > 0) this.#evictEntries(this.#withPrefixes(new Prefixes(keyPrefixes)), reason)
    return tags.length + keyPrefixes.length + tagPrefixes.length > 0
  }

  /** How many there were. */
  clear(): number {
    const count = this.#entries.size
    this.#entries.clear()
    this.#tags.clear()
    this.#newest = undefined
    this.#oldest = undefined
    this.#hand = undefined
    this.#bytes = 0
    return count
  }

  /** Whether there was one. */
  #evictOne(nowWall: number): boolean {
    let entry = this.#hand ?? this.#oldest
    while (entry !== undefined && entry.visited && entry.keepUntil > nowWall) {
      entry.visited = false
      entry.readInVain = 0
      entry = entry.newer ?? this.#oldest
    }
    if (entry === undefined) return false
    this.#hand = entry
    this.#evictEntry(entry, entry.keepUntil > nowWall ? 'capacity' : 'expired')
    return true
  }

  *#withPrefixes(prefixes: Prefixes): Generator<LocalEntry> {
    for (const entry of this.#entries.values()) if (prefixes.begin(entry.key)) yield entry
  }

  #evictEntries(entries: Iterable<LocalEntry>, reason: EvictionReason): void {
    for (const entry of entries) this.#evictEntry(entry, reason)
  }

  // Who hears of an eviction may look at what is evicted next, and find it expired.
  #evictEntry(entry: LocalEntry, reason: EvictionReason): void {
    if (this.#entries.get(entry.key) !== entry) return
    this.#remove(entry)
    this.#onEvicted(entry.key, reason)
  }

  #insert(entry: LocalEntry): void {
    entry.older = this.#newest
    entry.newer = undefined
    if (this.#newest === undefined) this.#oldest = entry
    else this.#newest.newer = entry
    this.#newest = entry
    entry.isListed = true
    this.#entries.set(entry.key, entry)
    this.#tags.add(entry)
    this.#bytes += entry.bytes
  }

  #remove(entry: LocalEntry): void {
    this.#unlist(entry)
    this.#entries.delete(entry.key)
  }

  #unlist(entry: LocalEntry): void {
    if (!entry.isListed) return
    entry.isListed = false
    if (this.#hand === entry) this.#hand = entry.newer
    if (entry.newer === undefined) this.#newest = entry.older
    else entry.newer.older = entry.older
    if (entry.older === undefined) this.#oldest = entry.newer
    else entry.older.newer = entry.newer
    entry.newer = undefined
    entry.older = undefined
    this.#tags.delete(entry)
    this.#bytes -= entry.bytes
  }
}
