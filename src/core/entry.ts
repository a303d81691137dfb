// An entry as the store returns it, and as getEntry shows it. Time comes as a remaining duration wherever a decision
// hangs on it, so that the clocks of database and process need not agree.

/** The id of the transaction that wrote an entry. Compared for identity, never for order. */
export type Version = string

/** Exactly one of `text` and `bytes` is set. */
export interface StoredEntry {
  readonly key: string
  readonly text: string | null
  readonly bytes: Uint8Array | null
  /** Id of the codec that wrote it; null: JSON text. */
  readonly codec: string | null
  readonly tags: readonly string[]
  readonly version: Version
  /** Milliseconds it was still fresh when the read was executed; Infinity: for ever; 0 or less: stale. */
  readonly freshMs: number
  /** Milliseconds until it is expired, grace included; never below `freshMs`. */
  readonly keepMs: number
}

/** The value as its row holds it. */
export type StoredContent = Pick<StoredEntry, 'text' | 'bytes' | 'codec'>

/** As the store lists it, with what is only ever shown. */
export interface ListedEntry extends StoredEntry {
  /** Milliseconds since the epoch by the database's clock: to show, not to compare with local time. */
  readonly createdAt: number
}

/** What `getEntry` resolves to. */
export interface Entry<T = unknown> {
  readonly key: string
  readonly value: T
  /** Opaque; two reads that return the same version saw the same write. */
  readonly version: Version
  readonly tags: readonly string[]
  readonly createdAt: Date
  /** When it is expired for good, grace included; null: never. */
  readonly expiresAt: Date | null
  /** Milliseconds until it turns stale: 0 for a stale entry, null for one that never does. */
  readonly ttl: number | null
  /** Past its ttl and within its grace: served only where stale values are allowed. */
  readonly stale: boolean
}

export function isFresh(entry: Pick<StoredEntry, 'freshMs'>): boolean {
  return entry.freshMs > 0
}
