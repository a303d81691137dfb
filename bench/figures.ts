// What is measured, how it is headed and how it is written.

interface FigureFormat {
  readonly title: string
  readonly unit: string
  readonly digits: number
}

export type FigureName =
  | 'opsPerSecond'
  | 'meanMs'
  | 'meanNs'
  | 'p50Ms'
  | 'p95Ms'
  | 'p99Ms'
  | 'maxMs'
  | 'writeMeanMs'
  | 'writeP95Ms'
  | 'writesPerSecond'
  | 'readMeanMs'
  | 'readP50Ms'
  | 'readP95Ms'
  | 'readP99Ms'
  | 'readsPerSecond'
  | 'hitRate'
  | 'clientCpuUs'
  | 'serverCpuUs'
  | 'addedMs'
  | 'loads'
  | 'afterFillP50Ms'
  | 'afterFillP99Ms'
  | 'lastAnswerMs'
  | 'unheard'
  | 'early'
  | 'notificationsPerSecond'
  | 'bytesPerEntry'
  | 'accountedBytes'
  | 'rssMb'
  | 'removed'
  | 'cycleMs'
  | 'rowsPerSecond'
  | 'tableMb'
  | 'growth'
  | 'hotShare'
  | 'logRows'
  | 'feedRows'

const ms = (title: string): FigureFormat => ({ title, unit: 'ms', digits: 3 })
const us = (title: string): FigureFormat => ({ title, unit: 'µs', digits: 2 })
const share = (title: string): FigureFormat => ({ title, unit: '%', digits: 1 })
const count = (title: string): FigureFormat => ({ title, unit: '', digits: 0 })

const FIGURES: Readonly<Record<FigureName, FigureFormat>> = {
  opsPerSecond: count('ops/s'),
  meanMs: ms('mean'),
  meanNs: { title: 'one hit', unit: 'ns', digits: 0 },
  p50Ms: ms('p50'),
  p95Ms: ms('p95'),
  p99Ms: ms('p99'),
  maxMs: ms('max'),
  writeMeanMs: ms('write mean'),
  writeP95Ms: ms('write p95'),
  writesPerSecond: count('write ops/s'),
  readMeanMs: ms('read mean'),
  readP50Ms: ms('read p50'),
  readP95Ms: ms('read p95'),
  readP99Ms: ms('read p99'),
  readsPerSecond: count('read ops/s'),
  hitRate: share('hit rate'),
  clientCpuUs: us('client CPU per op'),
  serverCpuUs: us('server CPU per op'),
  addedMs: ms('added to a round trip'),
  loads: count('loads'),
  afterFillP50Ms: ms('p50 after the fill'),
  afterFillP99Ms: ms('p99 after the fill'),
  lastAnswerMs: ms('last answer'),
  unheard: count('unheard'),
  early: count('evicted before'),
  notificationsPerSecond: count('notifications/s'),
  bytesPerEntry: { title: 'heap per entry', unit: 'bytes', digits: 0 },
  accountedBytes: { title: 'accounted per entry', unit: 'bytes', digits: 0 },
  rssMb: { title: 'resident set', unit: 'MB', digits: 0 },
  removed: count('rows removed'),
  cycleMs: { title: 'one round', unit: 'ms', digits: 0 },
  rowsPerSecond: count('rows/s'),
  tableMb: { title: 'table', unit: 'MB', digits: 1 },
  growth: { title: 'growth', unit: '×', digits: 2 },
  hotShare: share('HOT'),
  logRows: count('most rows in the log'),
  feedRows: count('most rows in the feed'),
}

/** Undefined: it could not be had, as the CPU time of a server that was not started here. */
export type Figures = Readonly<Partial<Record<FigureName, number | undefined>>>

export function titleOf(name: FigureName): string {
  const { title, unit } = FIGURES[name]
  return unit === '' || unit === '%' ? title : `${title} (${unit})`
}

export function formatFigure(name: FigureName, value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '–'
  const { unit, digits } = FIGURES[name]
  const text = (unit === '%' ? value * 100 : value).toLocaleString('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  })
  return unit === '%' ? `${text}%` : text
}
