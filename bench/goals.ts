// What the project wants to reach, and what the latest runs say of it: met and missed alike, computed from the records and never written by hand.

import type { ContenderName } from './contenders.ts'
import type { FigureName } from './figures.ts'
import { median } from './latencies.ts'
import type { ResultFile, ScenarioRecord } from './results.ts'
import { type Opponent, ratiosOf, standingFor, summarise, valuesOf } from './rounds.ts'
import type { CellResult } from './runner.ts'
import type { Cell } from './scenario.ts'
import { alignedTable } from './table.ts'

interface Goal {
  readonly what: string
  readonly is: 'at least' | 'at most'
  readonly bound: number
  readonly unit: '' | 'ms' | '×' | '%'
  readonly measure: (file: ResultFile) => Measured | undefined
}

/** What each round found, and whose was the best that it was compared with. */
interface Measured {
  readonly rounds: readonly number[]
  readonly against?: ContenderName
}

/** One figure of one cell. */
interface Point {
  readonly scenario: string
  readonly cell: Cell
  readonly contender: Opponent
  readonly figure: FigureName
}

const saturated = (operation: 'get' | 'set', callers: number, figure: FigureName): Point => ({
  scenario: 'saturate',
  contender: 'postgres-no-local-cache',
  cell: { operation, callers, bytes: 100, l1: 'off' },
  figure,
})
const original = (topology: string, figure: FigureName): Point => ({
  scenario: 'original',
  contender: 'postgres-cache',
  cell: { topology },
  figure,
})
const local = (loop: string, values: string): Point => ({
  scenario: 'l1',
  contender: 'postgres-cache',
  cell: { loop, values },
  figure: 'opsPerSecond',
})
const scaled = (operation: 'get' | 'set', rows: number): Point => ({
  scenario: 'scale',
  contender: 'postgres-no-local-cache',
  cell: { operation, rows },
  figure: 'opsPerSecond',
})
const mixed = (scenario: 'read-heavy' | 'network', cell: Cell): Point => ({
  scenario,
  contender: 'postgres-cache',
  cell,
  figure: 'readMeanMs',
})
const stampede = (figure: FigureName): Point => ({
  scenario: 'stampede',
  contender: 'postgres-cache',
  cell: {},
  figure,
})
const overwrites = (figure: FigureName): Point => ({
  scenario: 'scale-overwrites',
  contender: 'postgres-no-local-cache',
  cell: {},
  figure,
})
const tag = (entries: number): Point => ({
  scenario: 'scale-tags',
  contender: 'postgres-no-local-cache',
  cell: { entries },
  figure: 'p50Ms',
})

const ONE = 'one process, one client'

const GOALS: readonly Goal[] = [
  ...(
    [
      ['get', 64, 0.9],
      ['get', 256, 1],
      ['get', 1024, 1.4],
      ['set', 64, 0.6],
      ['set', 256, 0.7],
      ['set', 1024, 0.9],
    ] as const
  ).map(([operation, callers, bound]) =>
    againstValkey(
      `${operation}, ${callers} callers, no local cache: ops/s`,
      saturated(operation, callers, 'opsPerSecond'),
      'at least',
      bound,
    ),
  ),
  ...(['get', 'set'] as const).map((operation) =>
    againstValkey(
      `${operation}, 256 callers: client CPU per op`,
      saturated(operation, 256, 'clientCpuUs'),
      'at most',
      0.7,
    ),
  ),
  ...(['get', 'set'] as const).map((operation) =>
    againstValkey(`${operation}, one caller: p50`, saturated(operation, 1, 'p50Ms'), 'at most', 2.5),
  ),
  ...(['share', 'freeze'] as const).map((values) =>
    goal(
      `local hit, \`${values}\`, against a get of Valkey by 256 callers: ops/s`,
      'at least',
      20,
      '×',
      (file) =>
        ratio(file, local('get', values), { ...saturated('get', 256, 'opsPerSecond'), contender: 'valkey' }),
    ),
  ),
  ...(
    [
      ['get', 'clone', 'bare loop, awaited', 0.8],
      ['get', 'share', 'bare loop, awaited', 0.6],
      ['peek', 'share', 'bare loop', 0.7],
    ] as const
  ).map(([loop, values, bare, bound]) =>
    goal(`local hit, \`${loop}\`, \`${values}\`, against a bare loop: ops/s`, 'at least', bound, '', (file) =>
      ratio(file, local(loop, values), local(bare, values)),
    ),
  ),
  againstValkey('original, one process: read mean', original(ONE, 'readMeanMs'), 'at most', 0.1),
  againstValkey('original, one process: read p95', original(ONE, 'readP95Ms'), 'at most', 0.1),
  againstValkey('original, one process: write mean', original(ONE, 'writeMeanMs'), 'at most', 1.5),
  againstValkey('original, one process: write ops/s', original(ONE, 'writesPerSecond'), 'at least', 0.95),
  ...['one process, 48 clients', 'four processes'].map((topology) =>
    goal(`original, ${topology}, against \`notifications: 'poll'\`: write mean`, 'at most', 1.5, '', (file) =>
      ratio(file, original(topology, 'writeMeanMs'), {
        ...original(topology, 'writeMeanMs'),
        contender: 'postgres-no-notify',
      }),
    ),
  ),
  ...['8,000/s', '64 callers'].map((pace) =>
    againstValkey(
      `read-heavy, 95% reads, ${pace}: read mean`,
      mixed('read-heavy', { reads: '95%', pace }),
      'at most',
      0.3,
    ),
  ),
  againstValkey('network, 99% reads: read mean', mixed('network', { reads: '99%' }), 'at most', 0.05),
  goal('stampede: loads', 'at most', 1, '', (file) => absolute(file, stampede('loads'))),
  goal('stampede: p99 of the answers after the fill', 'at most', 30, 'ms', (file) =>
    absolute(file, stampede('afterFillP99Ms')),
  ),
  ...(['get', 'set'] as const).map((operation) =>
    goal(`${operation} at 10⁷ rows against 10⁴: ops/s`, 'at least', 0.8, '', (file) =>
      ratio(file, scaled(operation, 10_000_000), scaled(operation, 10_000)),
    ),
  ),
  goal('overwrites: HOT updates', 'at least', 99, '%', (file) =>
    absolute(file, overwrites('hotShare'), (share) => share * 100),
  ),
  goal('five minutes of overwrites: growth of the table', 'at most', 1.2, '×', (file) =>
    absolute(file, overwrites('growth')),
  ),
  goal('invalidating a tag of 10⁶ entries against one of one: p50', 'at most', 2, '', (file) =>
    ratio(file, tag(1_000_000), tag(1)),
  ),
]

function goal(
  what: string,
  is: Goal['is'],
  bound: number,
  unit: Goal['unit'],
  measure: Goal['measure'],
): Goal {
  return { what, is, bound, unit, measure }
}

function againstValkey(what: string, point: Point, is: Goal['is'], bound: number): Goal {
  return goal(what, is, bound, '', (file) => ratio(file, point, { ...point, contender: 'valkey' }))
}

/** A table of all goals; those that no record answers are left out. */
export function goalsToMarkdown(file: ResultFile): string {
  const rows = GOALS.flatMap(({ what, is, bound, unit, measure }) => {
    const measured = measure(file)
    if (measured === undefined) return []
    const { rounds, against } = measured
    const value = median(rounds)
    const isMet = is === 'at least' ? value >= bound : value <= bound
    const suffix = unit === 'ms' ? ' ms' : unit
    return [
      [
        what,
        `${is} ${bound}${suffix}`,
        `${summarise(rounds, suffix)}${against === undefined ? '' : ` ${against}`}`,
        isMet ? 'met' : '**missed**',
      ],
    ]
  })
  return alignedTable(['goal', 'bound', 'measured', ''], rows)
}

function absolute(
  file: ResultFile,
  point: Point,
  convert: (value: number) => number = (value) => value,
): Measured | undefined {
  const rounds = valuesOf(find(file, point), point.figure).map(convert)
  return rounds.length === 0 ? undefined : { rounds }
}

/** Round by round where both are of one run, else of the medians. */
function ratio(file: ResultFile, ours: Point, theirs: Point): Measured | undefined {
  const other = find(file, theirs)
  const mine = valuesOf(find(file, ours), ours.figure)
  const others = valuesOf(other, theirs.figure)
  if (other === undefined || mine.length === 0 || others.length === 0) return undefined
  const isPaired = ours.scenario === theirs.scenario && mine.length === others.length
  return {
    rounds: isPaired ? ratiosOf(mine, others) : [median(mine) / median(others)],
    ...(theirs.contender !== ours.contender && { against: other.contender }),
  }
}

function find(file: ResultFile, { scenario, cell, contender, figure }: Point): CellResult | undefined {
  const record = file.scenarios.find((each) => each.scenario === scenario)
  return standingFor(contender, inCell(record, cell), figure)
}

function inCell(record: ScenarioRecord | undefined, cell: Cell): readonly CellResult[] {
  return (record?.cells ?? []).filter((result) =>
    Object.entries(cell).every(([name, value]) => result.cell[name] === value),
  )
}
