import type { Change } from '../../../src/core/change.ts'
import type { StoredEntry } from '../../../src/core/entry.ts'
import type { Targets } from '../../../src/memory/bypass.ts'
import { Coherence, type Outcome, type Reply } from '../../../src/memory/coherence.ts'
import type { SyncReply } from '../../../src/memory/sync-reply.ts'
import type { Token } from '../../../src/memory/tokens.ts'
import { localEntry } from './local-entries.ts'
import { ManualClock } from './manual-clock.ts'

export const KEY = 'profile:1'
export const WORLD = 'world-1'
export const DATABASE_AHEAD_MS = 12_345

export interface Stage {
  readonly clock: ManualClock
  readonly coherence: Coherence
  /** Evictions, flushes and detached flights, in order. */
  readonly log: string[]
  readonly sync: (fields?: Partial<SyncReply>) => void
  /** The version that a hit returns. */
  readonly held: (key?: string) => string | undefined
  readonly read: (version: string, fields?: Partial<StoredEntry>, key?: string) => Outcome
}

/** A local cache after its first sync. */
export function stage({ maxEntries = 100, maxBytes = 1_000_000 } = {}): Stage {
  const clock = new ManualClock()
  const log: string[] = []
  const coherence = new Coherence({
    clock,
    maxStalenessMs: 2_000,
    maxEntries,
    maxBytes,
    joins: [
      { detach: (key) => void log.push(`detach ${key}`), detachAll: () => void log.push('detach all') },
    ],
    listener: {
      evicted: (key, reason) => void log.push(`evicted ${key}: ${reason}`),
      outdated: (key, readInVain) => void log.push(`outdated ${key}, read in vain ${readInVain} times`),
      flushed: (reason, entries) => void log.push(`flushed ${entries}: ${reason}`),
    },
  })
  const sync = ({ sentAt = coherence.beginSync(), ...fields }: Partial<SyncReply> = {}): void =>
    coherence.synced({
      sentAt,
      world: WORLD,
      cursor: 'continued',
      changes: [],
      databaseNow: clock.wall() + DATABASE_AHEAD_MS,
      finished: [],
      ...fields,
    })
  const held = (key = KEY): string | undefined => coherence.hit(key)?.version
  const read = (version: string, fields: Partial<StoredEntry> = {}, key = KEY): Outcome => {
    const token = coherence.open(key)
    const outcome = coherence.settle(token, present(token, version, fields))
    log.length = 0
    return outcome
  }
  sync()
  log.length = 0
  return { clock, coherence, log, sync, held, read }
}

export function present(token: Token, version: string, fields: Partial<StoredEntry> = {}): Reply {
  const entry = localEntry(token.key, { version, sentAt: token.sentAt, ...fields })
  return { world: WORLD, version, entry }
}

export const ABSENT: Reply = { world: WORLD, version: null, entry: null }

export function change(version: string, fields: Partial<Change> = {}): Change {
  return { version, keys: [], tags: [], keyPrefixes: [], tagPrefixes: [], ...fields }
}

export function targets(fields: Partial<Targets>): Targets {
  return { keys: [], tags: [], keyPrefixes: [], tagPrefixes: [], ...fields }
}
