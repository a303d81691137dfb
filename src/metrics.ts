// Every figure of stats() as a metric, described once for whatever it is exported to. Names and units are OpenTelemetry's; what Prometheus
// makes of them is in prometheus.ts.

import type { CacheStats } from './contract.ts'
import { type Histogram, KEY_BOUNDS, MS_BOUNDS } from './core/histogram.ts'

export type Labels = Readonly<Record<string, string>>

export type Sample = readonly [value: number, labels: Labels]

/** Of the system of units that OpenTelemetry uses: seconds, bytes, or things that are counted. */
export type Unit = 's' | 'By' | `{${string}}`

export interface Metric {
  readonly name: string
  readonly kind: 'counter' | 'gauge'
  readonly unit: Unit
  readonly help: string
  readonly read: (stats: CacheStats) => readonly Sample[]
}

export interface HistogramMetric {
  readonly name: string
  readonly kind: 'histogram'
  readonly unit: Unit
  readonly help: string
  /** How many of what is recorded are one of the unit. */
  readonly perUnit: number
  /** As they are recorded. */
  readonly bounds: readonly number[]
  readonly read: (stats: CacheStats) => readonly (readonly [histogram: Histogram, labels: Labels])[]
}

const PREFIX = 'postgres_cache'
const MS_PER_SECOND = 1_000

const one =
  (read: (stats: CacheStats) => number): Metric['read'] =>
  (stats) => [[read(stats), {}]]

const counter = (name: string, unit: Unit, help: string, read: Metric['read']): Metric => ({
  name: `${PREFIX}.${name}`,
  kind: 'counter',
  unit,
  help,
  read,
})

const gauge = (name: string, unit: Unit, help: string, read: Metric['read']): Metric => ({
  ...counter(name, unit, help, read),
  kind: 'gauge',
})

export const METRICS: readonly Metric[] = [
  counter('hits', '{hit}', 'Reads that were answered, by tier: local, store or stale.', ({ hits }) => [
    [hits.local, { tier: 'local' }],
    [hits.store, { tier: 'store' }],
    [hits.stale, { tier: 'stale' }],
  ]),
  counter(
    'misses',
    '{miss}',
    'Reads that found nothing.',
    one(({ misses }) => misses),
  ),
  counter(
    'loads',
    '{load}',
    'Values that loaders returned.',
    one(({ loads }) => loads),
  ),
  counter(
    'load_failures',
    '{load}',
    'Loads that failed.',
    one(({ loadFailures }) => loadFailures),
  ),
  counter(
    'sets',
    '{set}',
    'Sets that were committed.',
    one(({ sets }) => sets),
  ),
  counter(
    'deletes',
    '{delete}',
    'Deletes that were committed.',
    one(({ deletes }) => deletes),
  ),
  counter(
    'invalidations',
    '{invalidation}',
    'Invalidations by this process.',
    one(({ invalidations }) => invalidations),
  ),
  counter(
    'evictions',
    '{entry}',
    'Entries that left the local cache.',
    one(({ evictions }) => evictions),
  ),
  counter(
    'flushes',
    '{flush}',
    'How often the local cache was emptied.',
    one(({ flushes }) => flushes),
  ),
  counter(
    'hints',
    '{hint}',
    'Notifications that arrived.',
    one(({ hints }) => hints),
  ),
  counter(
    'syncs',
    '{sync}',
    'How often the feed was read.',
    one(({ syncs }) => syncs),
  ),
  counter(
    'sessions_lost',
    '{session}',
    'How often the session connection broke.',
    one(({ sessionsLost }) => sessionsLost),
  ),
  counter(
    'sessions_restored',
    '{session}',
    'How often the session connection came back.',
    one(({ sessionsRestored }) => sessionsRestored),
  ),
  counter(
    'swept',
    '{row}',
    'Rows that the sweeper of this process removed or evicted.',
    one(({ swept }) => swept),
  ),
  counter(
    'circuits_opened',
    '{circuit}',
    'How often the server could not be reached.',
    one(({ circuitsOpened }) => circuitsOpened),
  ),
  counter(
    'violations',
    '{violation}',
    'Local hits that an audit found to be wrong.',
    one(({ violations }) => violations),
  ),
  counter(
    'errors',
    '{error}',
    'Failures that were survived.',
    one(({ errors }) => errors),
  ),
  counter('statement_failures', '{statement}', 'Statements that failed, by kind.', ({ statements }) =>
    Object.entries(statements).map(([statement, { failures }]) => [failures, { statement }]),
  ),
  gauge(
    'local.entries',
    '{entry}',
    'Entries in the local cache.',
    one(({ local }) => local.entries),
  ),
  gauge(
    'local.size',
    'By',
    'What the local cache holds.',
    one(({ local }) => local.bytes),
  ),
  gauge(
    'pending.size',
    'By',
    'Reads and writes under way; at most maxPending.',
    one(({ pendingBytes }) => pendingBytes),
  ),
  gauge(
    'circuit.open',
    '{circuit}',
    'Whether nothing is sent to the database, but for a try each second: 1 or 0.',
    ({ circuit }) => [[circuit === 'open' ? 1 : 0, {}]],
  ),
  gauge('session.live', '{session}', 'Whether hints arrive: 1 or 0. None without a session.', ({ session }) =>
    session === 'none' ? [] : [[session === 'live' ? 1 : 0, {}]],
  ),
  gauge('sync.age', 's', 'Since the last sync was sent; none before the first.', ({ syncAgeMs }) =>
    syncAgeMs === null ? [] : [[syncAgeMs / MS_PER_SECOND, {}]],
  ),
]

export const CALL_DURATION: HistogramMetric = {
  name: `${PREFIX}.call.duration`,
  kind: 'histogram',
  unit: 's',
  help: 'Calls that the store answered, and loads. Of get and set one in sixteen is timed.',
  perUnit: MS_PER_SECOND,
  bounds: MS_BOUNDS,
  read: ({ durations }) => Object.entries(durations).map(([call, histogram]) => [histogram, { call }]),
}

const STATEMENT_DURATION: HistogramMetric = {
  name: `${PREFIX}.statement.duration`,
  kind: 'histogram',
  unit: 's',
  help: 'Statements, by kind, waiting for a connection included.',
  perUnit: MS_PER_SECOND,
  bounds: MS_BOUNDS,
  read: ({ statements }) =>
    Object.entries(statements).map(([statement, { duration }]) => [duration, { statement }]),
}

export const STATEMENT_KEYS: HistogramMetric = {
  name: `${PREFIX}.statement.keys`,
  kind: 'histogram',
  unit: '{key}',
  help: 'Keys that share a statement, by kind.',
  perUnit: 1,
  bounds: KEY_BOUNDS,
  read: ({ statements }) =>
    Object.entries(statements)
      .filter(([, { keys }]) => keys.count > 0)
      .map(([statement, { keys }]) => [keys, { statement }]),
}

export const HISTOGRAMS: readonly HistogramMetric[] = [CALL_DURATION, STATEMENT_DURATION, STATEMENT_KEYS]
