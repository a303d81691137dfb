// Coherence without a local cache. It holds nothing and needs no lease, and yet keeps this process's own session:
// after an own write, a sync, or a newer reply, nobody joins a read that began before.

import type { Change } from '../core/change.ts'
import type { Version } from '../core/entry.ts'
import type { Clock } from '../core/clock.ts'
import { Bypass, type Targets } from './bypass.ts'
import type { Joins, LocalView, Outcome, Reply } from './coherence.ts'
import type { Instant } from './lease.ts'
import type { LocalEntry } from './local-entry.ts'
import type { SyncReply } from './sync-reply.ts'
import { Token } from './tokens.ts'

export interface NullCoherenceOptions {
  readonly clock: Clock
  readonly joins: readonly Joins[]
}

const NO_KEYS: readonly string[] = []
const NO_VERSIONS: readonly (readonly Version[])[] = []

export class NullCoherence implements LocalView {
  readonly holds: boolean = false
  readonly size = 0
  readonly bytes = 0
  readonly leaseEnd: number = Number.POSITIVE_INFINITY
  readonly checkPeriodMs: number = Number.POSITIVE_INFINITY
  readonly own: readonly (readonly Version[])[] = NO_VERSIONS
  readonly #clock: Clock
  readonly #joins: readonly Joins[]
  readonly #bypass = new Bypass()

  constructor({ clock, joins }: NullCoherenceOptions) {
    this.#clock = clock
    this.#joins = joins
  }

  get wantsSync(): boolean {
    return this.#bypass.size > 0
  }

  get isInUse(): boolean {
    return false
  }

  keys(): ArrayIterator<string> {
    return NO_KEYS.values()
  }

  beginSync(): Instant {
    return { wall: this.#clock.wall(), monotonic: this.#clock.monotonic() }
  }

  hit(): LocalEntry | undefined {
    return undefined
  }

  lastKnown(): LocalEntry | undefined {
    return undefined
  }

  mayJoin(key: string): boolean {
    return this.#bypass.size === 0 || !this.#bypass.mayCover(key)
  }

  open(key: string): Token {
    return new Token(key, this.#clock.wall(), 0)
  }

  settle(token: Token, _reply: Reply): Outcome {
    this.#detach(token.key)
    return 'not-stored'
  }

  forget(token: Token): void {
    this.#detach(token.key)
  }

  acknowledged(): void {}

  abandon(): void {}

  apply({ keys, tags, keyPrefixes, tagPrefixes }: Change): void {
    for (const key of keys) this.#detach(key)
    if (tags.length + keyPrefixes.length + tagPrefixes.length > 0) this.detachAll()
  }

  bypass(txid: string, targets: Targets): void {
    this.#bypass.add(txid, targets)
  }

  /** Without a feed nothing tells which reads began too early, so all of them did. */
  synced({ finished }: SyncReply): void {
    for (const txid of finished) this.#bypass.remove(txid)
    this.detachAll()
  }

  check(): void {}

  lapse(): void {}

  flush(): void {
    this.detachAll()
  }

  detachAll(): void {
    for (const joins of this.#joins) joins.detachAll()
  }

  close(): void {}

  #detach(key: string): void {
    for (const joins of this.#joins) joins.detach(key)
  }
}
