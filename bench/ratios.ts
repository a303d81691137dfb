// How ours stands to others: the median of what each round says by itself. The machine is fast and slow by turns, for a minute or so, and medians of
// two contenders may lie in different ones: in a run of nine rounds, those of two alternated between 1.1 and 2.7, their medians said 1.9 and the rounds 1.5.

import type { ContenderName } from './contenders.ts'
import { type FigureName, titleOf } from './figures.ts'
import type { CellResult } from './runner.ts'
import type { ScenarioRecord } from './results.ts'
import { isPlainValkey, type Opponent, ratiosOf, standingFor, summarise, valuesOf } from './rounds.ts'
import { isValkey } from './servers/valkey-version.ts'
import { alignedTable } from './table.ts'

interface Comparison {
  readonly scenario: string
  readonly ours: ContenderName
  readonly against: Opponent
  readonly figures: readonly FigureName[]
}

const COMPARISONS: readonly Comparison[] = [
  {
    scenario: 'original',
    ours: 'postgres-cache',
    against: 'valkey',
    figures: ['writeMeanMs', 'writesPerSecond', 'readMeanMs', 'readP95Ms'],
  },
  { scenario: 'original', ours: 'postgres-cache', against: 'postgres-no-notify', figures: ['writeMeanMs'] },
  {
    scenario: 'saturate',
    ours: 'postgres-no-local-cache',
    against: 'valkey',
    figures: ['opsPerSecond', 'p50Ms', 'clientCpuUs'],
  },
  { scenario: 'read-heavy', ours: 'postgres-cache', against: 'valkey', figures: ['readMeanMs'] },
  { scenario: 'network', ours: 'postgres-cache', against: 'valkey', figures: ['readMeanMs'] },
]

/** What is compared, and whom. */
export type Compared = Pick<ScenarioRecord, 'scenario' | 'cells' | 'versions'>

/** A table of ratios; undefined where nothing is compared. */
export function ratiosToMarkdown({ scenario, cells, versions }: Compared): string | undefined {
  const columns = COMPARISONS.filter((each) => each.scenario === scenario).flatMap(
    ({ ours, against, figures }) => figures.map((figure) => ({ ours, against, figure })),
  )
  const shown = [...new Set(cells.map(keyOf))]
    .map((key) =>
      rowOf(
        cells.filter((result) => keyOf(result) === key),
        columns,
      ),
    )
    .filter((row) => row !== undefined)
  if (shown.length === 0) return undefined
  const [first] = cells as [CellResult]
  return alignedTable(
    [
      ...Object.keys(first.cell),
      ...columns.map(
        ({ ours, against, figure }) =>
          `${nameOf(figure)}: ${ours} / ${against === 'valkey' ? serverName(versions) : against}`,
      ),
    ],
    shown,
  )
}

type Column = Pick<Comparison, 'ours' | 'against'> & { readonly figure: FigureName }

function rowOf(inCell: readonly CellResult[], columns: readonly Column[]): string[] | undefined {
  const texts = columns.map((column) => ratio(inCell, column))
  if (texts.every((text) => text === undefined)) return undefined
  const [{ cell }] = inCell as [CellResult]
  return [...Object.values(cell).map(String), ...texts.map((text) => text ?? '–')]
}

function ratio(inCell: readonly CellResult[], { ours, against, figure }: Column): string | undefined {
  const mine = valuesOf(
    inCell.find(({ contender }) => contender === ours),
    figure,
  )
  const best = standingFor(against, inCell, figure)
  const theirs = valuesOf(best, figure)
  if (best === undefined || mine.length === 0 || mine.length !== theirs.length) return undefined
  return `${summarise(ratiosOf(mine, theirs))}${against === 'valkey' ? ` ${best.contender}` : ''}`
}

function keyOf({ cell }: CellResult): string {
  return JSON.stringify(cell)
}

const nameOf = (figure: FigureName): string => titleOf(figure).replace(/ \(.*\)/, '')

/** A column is headed by the name of the server that ran. */
function serverName(versions: Compared['versions']): string {
  const servers = Object.entries(versions).filter(([contender]) =>
    isPlainValkey({ contender: contender as ContenderName }),
  )
  return servers.every(([, version]) => isValkey(version)) ? 'valkey' : 'redis'
}
