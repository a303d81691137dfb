// Reads the history of a run, shard by shard, and comes to its figures and its violations.

import { checkKeyed, checkOthers, createContext, type Violation } from './check.ts'
import { MAX_STALENESS_MS } from './cache-under-test.ts'
import { Figures } from './figures.ts'
import { readKeyed, readOthers, SHARDS } from './history.ts'
import { SEED_STAMP, sourceKeys } from './source.ts'
import type { Commit } from './history.ts'

export interface Verdict {
  readonly figures: Figures
  readonly violations: readonly Violation[]
}

export function judge(directory: string): Verdict {
  const figures = new Figures()
  const others = readOthers(directory)
  for (const operation of others) figures.add(operation)
  const context = createContext(others, { maxStalenessMs: MAX_STALENESS_MS })
  const violations = checkOthers(others, context)
  const seeds = new Map(sourceKeys().map((key) => [key, seedCommit(key)]))
  for (let shard = 0; shard < SHARDS; shard++) {
    const operations = readKeyed(directory, shard)
    for (const operation of operations) figures.add(operation)
    const keys = new Set(operations.map(({ key }) => key))
    const seeded = [...keys].flatMap((key) => seeds.get(key) ?? [])
    violations.push(...checkKeyed([...seeded, ...operations], context))
  }
  return { figures, violations }
}

/** What every source row begins with. */
function seedCommit(key: string): Commit {
  return {
    op: 'commit',
    node: 'seed',
    key,
    version: 0,
    stamp: SEED_STAMP,
    by: 'transaction',
    acknowledged: true,
    start: 0,
    end: 0,
  }
}
