// The status as people read it: one fact a line, every figure with its unit.

import { commandFor } from '../postgres/schema-advice.ts'
import type { StoreStatus, TableStatus, WorldStatus } from '../schema.ts'
import { alignColumns, formatAge, formatBytes, formatCount, formatMany, formatShare } from './figures.ts'

type Fact = readonly [label: string, text: string]

const LABEL_WIDTH = 'removal fence  '.length

export function renderStatus(status: StoreStatus): string {
  const upkeep = [...describeEntries(status), ...describeUpkeep(status.state)]
  return [
    renderFacts(describeStore(status)),
    renderTables(status.tables),
    renderFacts(upkeep),
    renderFacts(describeTraffic(status)),
    ...(status.watches.length === 0 ? [] : [renderWatches(status.watches)]),
  ].join('\n\n')
}

function describeStore(status: StoreStatus): Fact[] {
  const { schema, schemaPrefix, schemaVersion, schemaIsCurrent, state } = status
  const prefix = schemaPrefix === '' ? '' : `, prefix ${schemaPrefix}`
  const current = schemaIsCurrent
    ? 'current'
    : `outdated: run ${commandFor({ schema, prefix: schemaPrefix }, 'migrate')}`
  return [
    ['database', `${status.database}, PostgreSQL ${status.server}, at ${status.at}`],
    ['schema', `${schema}${prefix}, version ${schemaVersion} (${current})`],
    ['settings', `${status.durability}, channel ${status.notifyChannel}`],
    ['world', describeWorld(state)],
  ]
}

function describeWorld(state: WorldStatus | null): string {
  if (state === null)
    return 'none: no client has begun one since the store was installed or emptied by a crash; none can while a prepared transaction is pending'
  if (state.worldIsSettled) return state.world
  return `${state.world}, from another server or database: the next client empties the store`
}

function describeEntries(status: StoreStatus): Fact[] {
  const { usage, expiredEntries, updates, hotUpdates, deadRows, lastVacuumMs } = status
  const expired =
    expiredEntries === null
      ? 'not counted, there are too many entries'
      : `${formatMany(expiredEntries, 'entry', 'entries')} waiting to be removed`
  const vacuum = lastVacuumMs === null ? 'never vacuumed' : `vacuumed ${formatAge(lastVacuumMs)} ago`
  const hot =
    updates === 0 ? 'none' : `${formatMany(updates, 'row')}, ${formatShare(hotUpdates / updates)} of them HOT`
  return [
    [
      'usage',
      `${formatMany(usage.entries, 'entry', 'entries')}, ${formatBytes(usage.bytes)} as caps count them`,
    ],
    ['expired', expired],
    ['dead rows', `${formatMany(deadRows, 'row')}, ${vacuum}`],
    ['overwrites', hot],
  ]
}

function renderTables(tables: readonly TableStatus[]): string {
  const rows = tables.map((table) => [
    table.name,
    formatRows(table),
    formatBytes(table.tableBytes),
    formatBytes(table.indexBytes),
    formatBytes(table.toastBytes),
  ])
  return alignColumns([['table', 'rows', 'table size', 'indexes', 'toast'], ...rows])
}

function formatRows({ rows, rowsAreExact }: TableStatus): string {
  return rowsAreExact ? formatCount(rows) : `about ${formatCount(rows)}`
}

function describeUpkeep(state: WorldStatus | null): Fact[] {
  if (state === null) return []
  const { handBlock, blocks, rounds, trimMs } = state
  const trim = trimMs === null ? 'no trim under way' : `a trim has been under way for ${formatAge(trimMs)}`
  return [
    ['last sweep', `${formatAge(state.sweptMs)} ago`],
    [
      'hand',
      `block ${formatCount(handBlock)} of ${formatCount(blocks)}, ${formatMany(rounds, 'round')} done`,
    ],
    [
      'load fence',
      `published ${formatAge(state.loadFenceMs)} ago, ${formatLag(state.loadFenceLagTransactions)}`,
    ],
    ['removal fence', formatLag(state.removalFenceLagTransactions)],
    ['trim fence', `${formatLag(state.trimFenceLagTransactions)}, ${trim}`],
    ['feed floor', formatLag(state.feedFloorLagTransactions)],
  ]
}

function formatLag(transactions: number): string {
  return `${formatMany(transactions, 'transaction')} behind`
}

function describeTraffic({ sessions, connections, notificationQueueUsage }: StoreStatus): Fact[] {
  return [
    [
      'sessions',
      `${formatMany(sessions, 'process', 'processes')} listening, ${formatMany(connections, 'connection')} in all`,
    ],
    ['notifications', `${formatShare(notificationQueueUsage)} of the server's queue in use`],
  ]
}

function renderWatches(watches: StoreStatus['watches']): string {
  const rows = watches.map(({ table, keys, tags, unwatchedPartitions }) => [
    table,
    [...keys, ...tags.map((tag) => `tag ${tag}`)].join(', '),
    unwatchedPartitions.length === 0
      ? 'all'
      : `not ${unwatchedPartitions.join(', ')}: call watch() again, statements that name them go unnoticed`,
  ])
  return alignColumns([['watched table', 'patterns', 'partitions'], ...rows])
}

function renderFacts(facts: readonly Fact[]): string {
  return facts.map(([label, text]) => label.padEnd(LABEL_WIDTH) + text).join('\n')
}
