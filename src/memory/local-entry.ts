// One entry as the local cache holds it. Deadlines are wall times of this process, counted from when the read was
// sent: the database measured the remaining time later than that, so they never end too late.

import type { StoredEntry, Version } from '../core/entry.ts'
import { entryBytes } from './heap-bytes.ts'
import type { ValueMode } from './value-modes.ts'

export class LocalEntry {
  /** LocalCache replaces it by the equal one that its map keeps. */
  key: string
  /** The encoded text or bytes, or the decoded value: as the value mode left it. */
  readonly held: unknown
  readonly encoded: boolean
  readonly codec: string | null
  readonly version: Version
  readonly tags: readonly string[]
  readonly freshUntil: number
  readonly keepUntil: number
  /** Stored with a grace: it may be served stale while the store is gone. */
  readonly graced: boolean
  /** What it costs in the heap, index and links included. */
  readonly bytes: number
  /** How often it was read anew, because others had changed it, since it was last hit, read by a caller, or written. */
  readInVain = 0
  /** Whether it was hit since the eviction hand last passed. These four belong to LocalCache. */
  visited = false
  isListed = false
  newer: LocalEntry | undefined = undefined
  older: LocalEntry | undefined = undefined

  constructor(stored: StoredEntry, sentAt: number, mode: ValueMode, localTtlMs: number) {
    const local = mode.toLocal(stored)
    this.key = stored.key
    this.held = local.held
    this.encoded = local.encoded
    this.codec = stored.codec
    this.version = stored.version
    this.tags = stored.tags
    this.freshUntil = sentAt + Math.min(stored.freshMs, localTtlMs)
    this.keepUntil = sentAt + stored.keepMs
    this.graced = stored.keepMs > stored.freshMs
    this.bytes = entryBytes(stored.key, stored.tags, local.bytes)
  }
}
