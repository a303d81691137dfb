// The cache that a process uses: ours, in one of its configurations, or the naive one.

import { type Cache, PostgresCache } from 'postgres-cache'
import { Pool } from 'pg'
import type { Plan } from './arguments.ts'
import { NaiveCache } from './naive-cache.ts'

export type CacheUnderTest = Pick<
  Cache,
  | 'clear'
  | 'close'
  | 'connect'
  | 'delete'
  | 'deleteByPrefix'
  | 'get'
  | 'getMany'
  | 'getOrSet'
  | 'invalidate'
  | 'invalidateTags'
  | 'on'
  | 'prune'
  | 'set'
  | 'sync'
  | 'withTransaction'
> & { namespace(name: string): CacheUnderTest }

/** Short, so that much of a run is about its end. */
export const MAX_STALENESS_MS = 500
const POOL_CONNECTIONS = 4
// Far more than a crowded machine needs: a read that gave up would count as a miss.
const PATIENCE = '20s'
// What is swallowed must be noticed. Longer than a process stands still or a row is locked, or that would fail calls.
const SOAK_PATIENCE = '5s'

export function openCache(url: string, { naive, soak, durability }: Plan, index: number): CacheUnderTest {
  if (naive) return new NaiveCache(new Pool({ connectionString: url, max: POOL_CONNECTIONS }))
  return new PostgresCache({
    connectionString: url,
    pool: { max: POOL_CONNECTIONS },
    maxStaleness: MAX_STALENESS_MS,
    audit: { sampleRate: 1 },
    durability,
    queryTimeout: soak ? SOAK_PATIENCE : PATIENCE,
    // The sweep has a process of its own.
    pruneInterval: '1h',
    ...CONFIGURATIONS[index % CONFIGURATIONS.length],
  })
}

const CONFIGURATIONS = [
  { notifications: 'listen' },
  { notifications: 'listen', local: { values: 'freeze', maxEntries: 64 } },
  { notifications: 'poll' },
  { notifications: 'listen', local: false },
] as const
