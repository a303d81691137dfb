// Results as a Markdown table: the median of the rounds, and how far they lie apart.

import { formatFigure, type FigureName, titleOf } from './figures.ts'
import { median } from './latencies.ts'
import type { CellResult, ScenarioResult } from './runner.ts'

export function toMarkdown({ figures, cells }: ScenarioResult): string {
  const [first] = cells
  if (!first) return 'No contender took part.'
  const shown = figures.filter((name) =>
    cells.some(({ rounds }) => rounds.some((round) => round[name] !== undefined)),
  )
  const header = [...Object.keys(first.cell), 'contender', ...shown.map(titleOf)]
  const rows = cells.map((result) => [
    ...Object.values(result.cell).map(String),
    result.contender,
    ...(result.failure === undefined
      ? shown.map((name) => summary(result, name))
      : [`failed: ${result.failure}`, ...shown.slice(1).map(() => '')]),
  ])
  return alignedTable(header, rows)
}

/** The median, and the extremes where there were several rounds. */
function summary({ rounds }: CellResult, name: FigureName): string {
  const values = rounds.map((round) => round[name]).filter((value) => value !== undefined)
  if (values.length === 0) return formatFigure(name, undefined)
  const middle = formatFigure(name, median(values))
  if (values.length === 1) return middle
  return `${middle} (${formatFigure(name, Math.min(...values))}–${formatFigure(name, Math.max(...values))})`
}

export function alignedTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`
  return [
    line(header),
    `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`,
    ...rows.map(line),
  ].join('\n')
}
