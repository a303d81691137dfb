// Compares local hits with the store, for those who want to see that the promises hold. Of a version that is held although a sync has begun after
// the store showed another one, only a newer write can be the reason; if it is still held a second later, and the store still shows another, it
// should have been evicted.

import type { Version } from './core/entry.ts'
import { isCacheError } from './core/errors.ts'
import type { Reporter } from './events.ts'
import type { Background } from './memory/background.ts'
import type { LocalView } from './memory/coherence.ts'
import type { VoidEntries } from './postgres/void-entries.ts'
import type { Reader } from './read.ts'
import type { Sync } from './sync.ts'

const RECHECK_MS = 1_000
// Hits come by the million: what is under way stays small.
const MAX_UNDER_WAY = 64

export interface AuditParts {
  /** From 0 to 1. */
  readonly sampleRate: number
  readonly local: LocalView
  readonly reader: Reader
  readonly voided: VoidEntries
  readonly sync: Sync
  readonly reporter: Reporter
  readonly background: Background
}

export function auditHits(parts: AuditParts): void {
  if (parts.sampleRate === 0) return
  const { background, local, reporter } = parts
  const underWay = new Set<string>()

  const begin = async (key: string): Promise<void> => {
    let suspect: Version | undefined
    try {
      suspect = await heldInstead(parts, key)
    } finally {
      if (suspect === undefined) underWay.delete(key)
    }
    if (suspect !== undefined) background.once(RECHECK_MS, () => end(key, suspect))
  }
  const end = async (key: string, suspect: Version): Promise<void> => {
    const held = await heldInstead(parts, key).finally(() => underWay.delete(key))
    if (held !== suspect) return
    reporter.report('violation-found', { key })
    local.flush('violation')
  }
  reporter.on('hit', ({ key, tier }) => {
    if (tier !== 'local' || Math.random() >= parts.sampleRate) return
    if (underWay.size >= MAX_UNDER_WAY || underWay.has(key)) return
    underWay.add(key)
    void background.run(() => begin(key))
  })
}

/** The version that is held although the store has another, or none; undefined: they agree, nothing is held, or the store cannot be asked. */
async function heldInstead(
  { reader, voided, sync, local }: AuditParts,
  key: string,
): Promise<Version | undefined> {
  try {
    const before = local.hit(key)?.version
    const { entry } = await reader.fetch(key)
    if (before === undefined || before === entry?.version) return undefined
    if (entry === null && !(await voided.has(key, before))) return undefined
    await sync.run()
    return local.hit(key)?.version === before ? before : undefined
  } catch (error) {
    if (isCacheError(error)) return undefined
    throw error
  }
}
