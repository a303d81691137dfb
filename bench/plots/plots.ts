// The pictures of docs/benchmarks.md: which figure of which scenario, and over what.

import type { ContenderName } from '../contenders.ts'
import { type FigureName, titleOf } from '../figures.ts'
import { median } from '../latencies.ts'
import type { ScenarioRecord } from '../results.ts'
import type { CellResult } from '../runner.ts'
import type { Cell } from '../scenario.ts'
import { barChart, type BarGroup } from './bar-chart.ts'
import { type Line, lineChart } from './line-chart.ts'
import { COLOURS } from './palette.ts'

export interface Plot {
  readonly scenario: string
  /** Of its file. */
  readonly name: string
  readonly title: string
  readonly draw: (record: ScenarioRecord, title: string) => string
}

export const PLOTS: readonly Plot[] = [
  bars('original', 'original-read', 'Original benchmark: mean time of a read', 'readMeanMs', ['topology']),
  bars('original', 'original-write', 'Original benchmark: mean time of a write', 'writeMeanMs', ['topology']),
  ...(['get', 'set'] as const).map((operation) =>
    lines(
      'saturate',
      `saturate-${operation}`,
      `${operation}, 100 bytes, no local cache`,
      'opsPerSecond',
      'callers',
      {
        operation,
        bytes: 100,
        l1: 'off',
      },
    ),
  ),
  bars(
    'saturate',
    'saturate-cpu',
    'Client CPU per call, 256 callers, 100 bytes, no local cache',
    'clientCpuUs',
    ['operation'],
    { bytes: 100, l1: 'off', callers: 256 },
  ),
  bars('read-heavy', 'read-heavy', 'Read-heavy: mean time of a read', 'readMeanMs', ['reads', 'pace']),
  bars('network', 'network', 'With a real delay in the network: mean time of a read', 'readMeanMs', [
    'reads',
  ]),
  bars('stampede', 'stampede', 'Stampede: p99 of the answers after the fill', 'afterFillP99Ms', ['callers']),
  bars('invalidate', 'invalidate', 'From commit to eviction elsewhere: p99', 'p99Ms', ['load', 'listeners']),
  ...(['get', 'set'] as const).map((operation) =>
    lines('scale', `scale-${operation}`, `${operation} by number of rows`, 'opsPerSecond', 'rows', {
      operation,
    }),
  ),
]

function bars(
  scenario: string,
  name: string,
  title: string,
  figure: FigureName,
  groupBy: readonly string[],
  only: Cell = {},
): Plot {
  const draw = (record: ScenarioRecord, heading: string): string => {
    const groups = new Map<string, BarGroup['bars'][number][]>()
    for (const result of matching(record, figure, only)) {
      const group = groupBy.map((key) => `${key} ${result.cell[key]}`).join(', ')
      const listed = groups.get(group) ?? []
      groups.set(group, listed)
      listed.push({
        label: labelOf(record, result.contender),
        colour: COLOURS[result.contender],
        ...spread(result, figure),
      })
    }
    return barChart(
      heading,
      titleOf(figure),
      [...groups].map(([group, listed]) => ({ title: group, bars: listed })),
    )
  }
  return { scenario, name, title, draw }
}

function lines(
  scenario: string,
  name: string,
  title: string,
  figure: FigureName,
  over: string,
  only: Cell,
): Plot {
  const draw = (record: ScenarioRecord, heading: string): string => {
    const results = matching(record, figure, only)
    const contenders = [...new Set(results.map(({ contender }) => contender))]
    const drawn: Line[] = contenders.map((contender) => ({
      label: labelOf(record, contender),
      colour: COLOURS[contender],
      points: results
        .filter((result) => result.contender === contender)
        .map((result) => ({ x: Number(result.cell[over]), ...spread(result, figure) })),
    }))
    return lineChart(heading, over, titleOf(figure), drawn)
  }
  return { scenario, name, title, draw }
}

function matching({ cells }: ScenarioRecord, figure: FigureName, only: Cell): CellResult[] {
  return cells.filter(
    ({ cell, rounds }) =>
      Object.entries(only).every(([key, value]) => cell[key] === value) &&
      rounds.some((round) => typeof round[figure] === 'number'),
  )
}

function spread({ rounds }: CellResult, figure: FigureName): { median: number; low: number; high: number } {
  const values = rounds.map((round) => round[figure]).filter((value) => typeof value === 'number')
  return { median: median(values), low: Math.min(...values), high: Math.max(...values) }
}

/** With the server that answered: a column is Valkey's only where Valkey ran. */
function labelOf({ versions }: ScenarioRecord, contender: ContenderName): string {
  const server = versions[contender]?.split(', ').at(-1)
  return server === undefined || server.startsWith('PostgreSQL') ? contender : `${contender}, ${server}`
}
