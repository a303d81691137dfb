// Whether a history keeps the promises of docs/guarantees.md. Pure: operations in, violations out. It accuses only what no order of the
// operations could excuse: an operation counts as done when it was acknowledged, and as begun when it was called.

import { checkKey } from './check-key.ts'
import type {
  Comparison,
  Failure,
  KeyedOperation,
  Operation,
  OtherOperation,
  Removal,
  SnapshotCheck,
  Sync,
} from './history.ts'
import { Frontier } from './frontier.ts'
import { groupBy } from './group-by.ts'
import { Outages } from './outages.ts'

export type Guarantee = 'G1' | 'G2' | 'G3' | 'G4' | 'G5' | 'G6' | 'G7'

export interface Violation {
  readonly guarantee: Guarantee
  readonly what: string
  readonly key: string | null
  readonly operation: Operation
  /** What it contradicts. */
  readonly because: Operation | null
}

export interface CheckOptions {
  readonly maxStalenessMs: number
}

/** What concerns several keys. */
export interface Context extends CheckOptions {
  readonly removals: readonly Removal[]
  /** When the last sync that had ended before a moment was called, by node. */
  readonly syncs: ReadonlyMap<string, Frontier<Sync>>
  readonly outages: Outages
}

export function createContext(others: readonly OtherOperation[], options: CheckOptions): Context {
  const syncs = groupBy(
    others.filter((operation) => operation.op === 'sync'),
    ({ node }) => node,
  )
  return {
    ...options,
    outages: new Outages(others.filter((operation) => operation.op === 'outage')),
    removals: others.filter((operation) => operation.op === 'removal'),
    syncs: new Map(
      [...syncs].map(([node, list]) => [
        node,
        new Frontier(list.map((item) => ({ at: item.end, rank: item.start, item }))),
      ]),
    ),
  }
}

/** All operations of the keys that occur; `context` is the whole history's. */
export function checkKeyed(operations: readonly KeyedOperation[], context: Context): Violation[] {
  const keys = groupBy(operations, ({ key }) => key)
  return [...keys].flatMap(([key, list]) => [
    ...checkKey(key, list, context),
    ...list.filter((operation) => operation.op === 'comparison').flatMap(checkComparison),
  ])
}

export function checkOthers(others: readonly OtherOperation[], { outages }: Context): Violation[] {
  return [
    ...others.filter((operation) => operation.op === 'snapshot').flatMap(checkSnapshot),
    ...others
      .filter((operation) => operation.op === 'failure')
      .filter((failure) => !outages.excuse(failure))
      .map(toViolation),
  ]
}

function checkComparison(operation: Comparison): Violation[] {
  const { cached, source, key } = operation
  if (cached.version === source.version && cached.stamp === source.stamp) return []
  const what = 'a transactional get and the source row disagree in one snapshot'
  return [{ guarantee: 'G5', what, key, operation, because: null }]
}

function checkSnapshot(operation: SnapshotCheck): Violation[] {
  return operation.mismatches.map((mismatch) => ({
    guarantee: 'G4',
    what: 'a valid entry and its source row disagree in one snapshot',
    key: mismatch.key,
    operation: { ...operation, mismatches: [mismatch] },
    because: null,
  }))
}

function toViolation(operation: Failure): Violation {
  return { guarantee: 'G5', what: `${operation.during} failed`, key: null, operation, because: null }
}
