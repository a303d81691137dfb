// What the rounds of a cell say, and how that is written.

import { type ContenderName, infoOf } from './contenders.ts'
import type { FigureName } from './figures.ts'
import { median } from './latencies.ts'
import type { CellResult } from './runner.ts'

export function valuesOf(result: CellResult | undefined, figure: FigureName): number[] {
  return (result?.rounds ?? []).map((round) => round[figure]).filter((value) => value !== undefined)
}

/** `valkey`: for each figure, the client of Valkey that is best in the cell, of those that have no local cache. */
export type Opponent = ContenderName | 'valkey'

export function standingFor(
  opponent: Opponent,
  inCell: readonly CellResult[],
  figure: FigureName,
): CellResult | undefined {
  return bestOf(
    inCell.filter((result) =>
      opponent === 'valkey' ? isPlainValkey(result) : result.contender === opponent,
    ),
    figure,
  )
}

/** Round by round: the two are of one run. */
export function ratiosOf(mine: readonly number[], theirs: readonly number[]): number[] {
  return mine.map((value, round) => value / (theirs[round] as number))
}

/** The contender whose median is best; undefined where none has the figure. */
function bestOf(results: readonly CellResult[], figure: FigureName): CellResult | undefined {
  const sign = figure.endsWith('PerSecond') ? -1 : 1
  return results
    .filter((result) => valuesOf(result, figure).length > 0)
    .toSorted((a, b) => sign * (median(valuesOf(a, figure)) - median(valuesOf(b, figure))))[0]
}

/** Whether it asks Valkey each time: no local cache. */
export function isPlainValkey({ contender }: Pick<CellResult, 'contender'>): boolean {
  const { server, local } = infoOf(contender)
  return server === 'valkey' && !local
}

/** The median, and the extremes where there were several rounds. */
export function summarise(rounds: readonly number[], suffix = ''): string {
  const range = rounds.length === 1 ? '' : ` (${text(Math.min(...rounds))}–${text(Math.max(...rounds))})`
  return `${text(median(rounds))}${suffix}${range}`
}

const text = (value: number): string => value.toLocaleString('en-US', { maximumSignificantDigits: 3 })
