// What is printed at the end.

import { readKeyed, readOthers, shardOf, type Operation } from './history.ts'
import { toCommand, type Plan } from './arguments.ts'
import type { Violation } from './check.ts'
import type { Figures } from './figures.ts'
import { groupBy } from './group-by.ts'
import type { Verdict } from './judge.ts'

const OPERATIONS_SHOWN = 12
// Around a violation, what happened to its key.
const BEFORE_MS = 100

export interface Surroundings {
  readonly plan: Plan
  readonly directory: string
  readonly serverVersion: string
  readonly seconds: number
  readonly deadlocks: number
}

export function toReport({ figures, violations }: Verdict, surroundings: Surroundings): string {
  const { plan, serverVersion, seconds, deadlocks } = surroundings
  const clients =
    plan.preset === 'original'
      ? `${plan.original.writers} writers and ${plan.original.readers} readers`
      : `${plan.clients} clients each`
  return [
    `${plan.naive ? 'naive cache, ' : ''}${plan.processes} processes, ${clients}, ${seconds.toFixed(0)} s, seed ${plan.seed}, PostgreSQL ${serverVersion}`,
    '',
    ...latencyLines(figures),
    '',
    ...countLines(figures, deadlocks),
    '',
    ...violationLines(violations, surroundings),
  ].join('\n')
}

function latencyLines(figures: Figures): string[] {
  const cell = (text: string): string => text.padStart(10)
  const ms = (value: number): string => cell(value.toFixed(value < 10 ? 2 : 0))
  return [
    `${'ms'.padEnd(12)}${['count', 'mean', 'p95', 'p99'].map(cell).join('')}`,
    ...figures
      .latencies()
      .map(
        ({ what, count, meanMs, p95Ms, p99Ms }) =>
          `${what.padEnd(12)}${cell(String(count))}${ms(meanMs)}${ms(p95Ms)}${ms(p99Ms)}`,
      ),
  ]
}

function countLines(figures: Figures, deadlocks: number): string[] {
  const reads = figures.count('read')
  const percent = (count: number): string => `${((100 * count) / Math.max(1, reads)).toFixed(1)}%`
  const local = figures.count('local')
  const store = figures.count('store')
  return [
    `hit rate         ${percent(local + store)} (local ${percent(local)}, store ${percent(store)})`,
    `loader runs      ${figures.count('load')}`,
    `keys changed     ${figures.count('commit')} committed, ${figures.count('rollback')} rolled back`,
    `compared         ${figures.count('compared')} valid entries with their source rows, in ${figures.count('snapshot')} snapshots`,
    `transactional    ${figures.count('comparison')} gets compared with the row beside them`,
    `deadlocks        ${deadlocks}`,
    `survived         ${figures.count('trouble')} failures that the cache has reported`,
    `failed           ${figures.count('failure')} calls, during ${figures.count('outage')} outages`,
  ]
}

function violationLines(violations: readonly Violation[], { plan, directory }: Surroundings): string[] {
  if (violations.length === 0) return ['violations       0']
  const kinds = [...groupBy(violations, ({ guarantee, what }) => `${guarantee}: ${what}`)]
  return [
    `violations       ${violations.length}`,
    ...kinds.map(([kind, { length }]) => `${String(length).padStart(8)} × ${kind}`),
    ...kinds.flatMap(([, [first]]) => ['', ...describe(first as Violation, directory)]),
    '',
    `history          ${directory}`,
    `again            ${toCommand(plan)}`,
  ]
}

function describe({ guarantee, what, key, operation, because }: Violation, directory: string): string[] {
  return [
    `${guarantee}: ${what}${key === null ? '' : `, key ${key}`}`,
    `  seen     ${JSON.stringify(operation)}`,
    ...(because === null ? [] : [`  because  ${JSON.stringify(because)}`]),
    ...(key === null ? [] : around(key, operation, because, directory)),
  ]
}

/** What else happened to the key from shortly before what the operation contradicts. */
function around(key: string, operation: Operation, because: Operation | null, directory: string): string[] {
  const from = Math.min(operation.start, because?.start ?? Infinity) - BEFORE_MS
  const nearby = [
    ...readKeyed(directory, shardOf(key)).filter((each) => each.key === key),
    ...readOthers(directory).filter(
      (each) => 'targets' in each && each.targets.some((target) => mayCover(target, key)),
    ),
  ]
    .filter(({ start, end }) => end >= from && start <= operation.end)
    .toSorted((a, b) => a.start - b.start)
  const shown = nearby.slice(-OPERATIONS_SHOWN)
  return shown.map((each) => `  ${each.start.toFixed(3)}  ${JSON.stringify(each)}`)
}

/** A tag's keys are not known here. */
function mayCover(target: string, key: string): boolean {
  const name = target.slice(1)
  if (target.startsWith('t')) return true
  return target.startsWith('k') ? name === key : key.startsWith(name)
}
