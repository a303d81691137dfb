// What stats() returns: what the reporter has counted and measured, and what is held at this moment.

import type { CacheStats } from './contract.ts'
import type { HitTier, Reporter } from './events.ts'
import type { Parts } from './wiring.ts'

type Holdings = Pick<CacheStats, 'local' | 'pendingBytes' | 'circuit' | 'session' | 'syncAgeMs'>

export function statsOf({ reporter, local, budget, gate, connection, sync }: Parts): CacheStats {
  return toStats(reporter, {
    local: { entries: local.size, bytes: local.bytes },
    pendingBytes: budget.usedBytes,
    circuit: gate.isOpen ? 'open' : 'closed',
    session: connection.session,
    syncAgeMs: sync.ageMs,
  })
}

export function toStats(reporter: Reporter, holdings: Holdings): CacheStats {
  const counters = reporter.counters()
  return { ...counters, hitRates: toHitRates(counters), ...holdings, ...reporter.measures() }
}

function toHitRates({ hits, misses }: Pick<CacheStats, 'hits' | 'misses'>): Record<HitTier, number> {
  const reads = hits.local + hits.store + hits.stale + misses
  const rate = (tier: HitTier): number => (reads === 0 ? 0 : hits[tier] / reads)
  return { local: rate('local'), store: rate('store'), stale: rate('stale') }
}
