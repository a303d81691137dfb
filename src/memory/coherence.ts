// The one door between the local cache and everything that reads, writes or hears of changes. It keeps the rules under
// which an entry may enter the local cache and be served from it: the lease bounds how far behind a hit can be, tokens
// keep out replies that may have missed a change, flights are detached where a later caller must see more than they do.
//
// What the feed says is the truth. A hint is applied like the feed and proves nothing: no rule counts on its arrival.

import type { Change } from '../core/change.ts'
import type { Clock } from '../core/clock.ts'
import type { Version } from '../core/entry.ts'
import { Bypass, type Targets } from './bypass.ts'
import { type Instant, Lease } from './lease.ts'
import { type EvictionReason, LocalCache, type LocalCacheBounds } from './local-cache.ts'
import type { LocalEntry } from './local-entry.ts'
import { OwnVersions } from './own-versions.ts'
import { type FlushReason, SyncHistory, type SyncReply } from './sync-reply.ts'
import { ABSENT, type Token, Tokens } from './tokens.ts'

/** What the store answered for one key. */
export interface Reply {
  /** Null in recovery. */
  readonly world: string | null
  /** Null where there is no valid row, or none that can be held. */
  readonly entry: LocalEntry | null
  /** Null where there is no valid row. */
  readonly version: Version | null
}

/** `foreign-world`: the reply came from another world than the last sync, and a sync is due. */
export type Outcome = 'stored' | 'not-stored' | 'foreign-world'

/** Who hears of what happens to the local cache. */
export interface CoherenceListener {
  evicted(key: string, reason: EvictionReason): void
  /** Somebody else changed it, and it was evicted. `readInVain`: as LocalEntry has it. */
  outdated(key: string, readInVain: number): void
  flushed(reason: FlushReason, entries: number): void
}

/** The single flights of a process: reads, loads. */
export interface Joins {
  detach(key: string): void
  detachAll(): void
}

export interface CoherenceOptions extends LocalCacheBounds {
  readonly clock: Clock
  readonly maxStalenessMs: number
  readonly joins: readonly Joins[]
  readonly listener: CoherenceListener
}

/** What Coherence and NullCoherence have in common. */
export type LocalView = Pick<Coherence, keyof Coherence>

export class Coherence {
  /** Whether an entry that is settled may be held. */
  readonly holds: boolean = true
  readonly #clock: Clock
  readonly #listener: CoherenceListener
  readonly #joins: readonly Joins[]
  readonly #lease: Lease
  readonly #tokens = new Tokens()
  readonly #bypass = new Bypass()
  readonly #syncs = new SyncHistory()
  readonly #own = new OwnVersions()
  readonly #entries: LocalCache
  readonly #maxStalenessMs: number
  #used = false
  /** When a sync last found that it had been used. */
  #usedAt = Number.NEGATIVE_INFINITY
  #closed = false

  constructor({ clock, maxStalenessMs, joins, listener, maxEntries, maxBytes }: CoherenceOptions) {
    this.#clock = clock
    this.#listener = listener
    this.#joins = joins
    this.#maxStalenessMs = maxStalenessMs
    this.#lease = new Lease(clock, maxStalenessMs)
    this.#entries = new LocalCache({ maxEntries, maxBytes }, (key, reason) => listener.evicted(key, reason))
  }

  get size(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#entries.bytes
  }

  /** How often check() must be called for the staleness bound to hold. */
  get checkPeriodMs(): number {
    return this.#lease.checkPeriodMs
  }

  /** Wall time until which hits are possible; 0 without a lease. */
  get leaseEnd(): number {
    return this.#lease.end
  }

  /** Whether a sync is worth its while: somebody asked since the last one, or a transaction may have ended. */
  get wantsSync(): boolean {
    return this.#used || this.#bypass.size > 0
  }

  /** Whether somebody asked within the last maxStaleness: for others nothing need be kept up to date. */
  get isInUse(): boolean {
    return this.#used || this.#clock.monotonic() - this.#usedAt < this.#maxStalenessMs
  }

  /** Versions whose news is none. */
  get own(): readonly (readonly Version[])[] {
    return this.#own.all
  }

  keys(): IterableIterator<string> {
    return this.#entries.keys()
  }

  /** Before a sync is sent: what to hand to synced() with its reply. */
  beginSync(): Instant {
    this.#syncs.begin()
    this.#own.syncBegins()
    return this.#lease.read()
  }

  /** An entry that may be served as fresh. One clock read, nothing allocated. */
  hit(key: string): LocalEntry | undefined {
    this.#used = true
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    const now = this.#clock.wall()
    if (!this.#lease.covers(now) && !this.#isLive()) return undefined
    if (now < entry.freshUntil) return entry
    if (now >= entry.keepUntil) this.#entries.evict(key, 'expired')
    return undefined
  }

  /** For grace while the store is gone: an entry regardless of lease and freshness, within its last deadline. */
  lastKnown(key: string): LocalEntry | undefined {
    this.check()
    const entry = this.#entries.find(key)
    return entry !== undefined && this.#clock.wall() < entry.keepUntil ? entry : undefined
  }

  /** Whether callers of this key may share a flight at all. */
  mayJoin(key: string): boolean {
    return this.#bypass.size === 0 || !this.#bypass.mayCover(key)
  }

  /** Before a read, an own write or the snapshot of a load is sent. Every token is closed by one of the next three. */
  open(key: string): Token {
    const now = this.#clock.wall()
    // Deadlines count from here: not by a clock that was stepped and may be set right before anybody looks.
    if (!this.#lease.covers(now)) this.check()
    return this.#tokens.open(key, now)
  }

  /** A read was answered, or an own set or fill acknowledged. */
  settle(token: Token, { world, entry, version: found }: Reply): Outcome {
    const { key } = token
    const version = found ?? ABSENT
    const mayStore = this.#tokens.mayStore(token, version)
    this.#tokens.close(token)
    // Whoever is given this must not be given something older by a flight that began before.
    this.#detach(key)

    if (!this.#syncs.continues(world)) {
      this.#syncs.doubt()
      this.#entries.evict(key, 'contradicted')
      return 'foreign-world'
    }
    this.#tokens.tell(key, version)
    if (entry !== null && mayStore && !this.#closed && !this.#bypass.covers(key, entry.tags)) {
      return this.#entries.put(entry, this.#clock.wall()) ? 'stored' : 'not-stored'
    }
    this.#evictUnless(key, version, 'contradicted')
    return 'not-stored'
  }

  /**
   * What the key holds is not known here: an own delete was acknowledged, an own write may have happened, or a caller is
   * given a value that could not be stored.
   */
  forget(token: Token): void {
    this.#tokens.close(token)
    this.#tokens.contradict(token.key)
    this.#entries.evict(token.key, 'changed')
    this.#detach(token.key)
  }

  /** All that a statement of this process did in a world has been settled, forgotten or applied. */
  acknowledged(world: string, version: Version): void {
    if (this.#syncs.continues(world)) this.#own.add(version)
  }

  /** Nothing was answered, and nothing written. */
  abandon(token: Token): void {
    this.#tokens.close(token)
  }

  /** A change by whomever: told by the feed, by a hint, or by the acknowledgement of an own invalidation. */
  apply(change: Change): void {
    this.#takeIn([change])
  }

  // No reply comes between the changes of a sync, so their order does not matter; and to look for the prefixes of each by itself would cost as many passes
  // over all that is held.
  #takeIn(told: readonly Change[]): void {
    const changes = told.filter(({ version }) => !this.#own.has(version))
    for (const { version, keys } of changes) {
      for (const key of keys) {
        this.#evictUnless(key, version, 'changed')
        this.#tokens.tell(key, version)
        this.#detach(key)
      }
    }
    if (!this.#entries.evictTargets(changes, 'changed')) return
    // Whom it concerns is not known before the replies are.
    this.#tokens.newEpoch()
    this.detachAll()
  }

  /** A caller's transaction has touched these, and nobody knows yet when it ends. */
  bypass(txid: string, targets: Targets): void {
    this.#bypass.add(txid, targets)
    for (const key of targets.keys) {
      this.#entries.evict(key, 'changed')
      this.#detach(key)
    }
    this.#entries.evictTargets([targets], 'changed')
  }

  /** A sync was answered: brings the local cache up to its snapshot and renews the lease. */
  synced(reply: SyncReply): void {
    if (this.#closed) return
    if (this.#used) this.#usedAt = this.#clock.monotonic()
    this.#used = false
    const reason = this.#syncs.reasonToFlush(reply, this.#clock.wall())
    if (reason !== undefined) this.flush(reason)

    this.#takeIn(reply.changes)
    this.#own.syncEnded()
    for (const txid of reply.finished) this.#bypass.remove(txid)
    if (reply.world === null) this.lapse()
    else if (this.#lease.renew(reply.sentAt) === 'stepped') this.flush('clock')
  }

  /** Called every checkPeriodMs: notices a lease that has ended and clocks that were stepped. */
  check(): void {
    if (this.#lease.check() === 'stepped') this.flush('clock')
  }

  /** No hits until the next sync, which brings what is held up to its snapshot. */
  lapse(): void {
    this.#lease.lapse()
  }

  flush(reason: FlushReason): void {
    this.#own.forget()
    this.#tokens.newEpoch()
    this.detachAll()
    const entries = this.#entries.clear()
    if (entries > 0) this.#listener.flushed(reason, entries)
  }

  /** Nobody shares an answer that has been asked for before. */
  detachAll(): void {
    for (const joins of this.#joins) joins.detachAll()
  }

  close(): void {
    this.#closed = true
    this.lapse()
    this.flush('closed')
  }

  #isLive(): boolean {
    if (!this.#lease.held) return false
    this.check()
    return this.#lease.held
  }

  #evictUnless(key: string, version: Version, reason: EvictionReason): void {
    const present = this.#entries.find(key)
    if (present === undefined || present.version === version) return
    this.#entries.evict(key, reason)
    if (reason === 'changed') this.#listener.outdated(key, present.visited ? 0 : present.readInVain)
  }

  #detach(key: string): void {
    for (const joins of this.#joins) joins.detach(key)
  }
}
