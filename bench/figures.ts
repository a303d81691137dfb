// What is measured, how it is headed and how it is written.

const MS = { digits: 3, unit: 'ms' }
const US = { digits: 2, unit: 'µs' }
const COUNT = { digits: 0, unit: '' }

export type FigureName =
  | 'opsPerSecond'
  | 'meanMs'
  | 'p50Ms'
  | 'p95Ms'
  | 'p99Ms'
  | 'maxMs'
  | 'clientCpuUs'
  | 'serverCpuUs'

const FIGURES: Readonly<Record<FigureName, FigureFormat>> = {
  opsPerSecond: { title: 'ops/s', ...COUNT },
  meanMs: { title: 'mean', ...MS },
  p50Ms: { title: 'p50', ...MS },
  p95Ms: { title: 'p95', ...MS },
  p99Ms: { title: 'p99', ...MS },
  maxMs: { title: 'max', ...MS },
  clientCpuUs: { title: 'client CPU per op', ...US },
  serverCpuUs: { title: 'server CPU per op', ...US },
}

interface FigureFormat {
  readonly title: string
  readonly digits: number
  readonly unit: string
}

/** Undefined: it could not be had, as the CPU time of a server that was not started here. */
export type Figures = Readonly<Partial<Record<FigureName, number | undefined>>>

export function titleOf(name: FigureName): string {
  const { title, unit } = FIGURES[name]
  return unit === '' ? title : `${title} (${unit})`
}

export function formatFigure(name: FigureName, value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '–'
  return value.toLocaleString('en-US', {
    minimumFractionDigits: FIGURES[name].digits,
    maximumFractionDigits: FIGURES[name].digits,
  })
}
