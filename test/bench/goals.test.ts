import { expect, it } from 'vitest'
import type { ContenderName } from '../../bench/contenders.ts'
import type { FigureName } from '../../bench/figures.ts'
import { goalsToMarkdown } from '../../bench/goals.ts'
import type { ResultFile } from '../../bench/results.ts'
import type { CellResult } from '../../bench/runner.ts'
import type { Cell } from '../../bench/scenario.ts'

const cell = (
  contender: ContenderName,
  at: Cell,
  figure: FigureName,
  values: readonly number[],
): CellResult => ({
  contender,
  cell: at,
  rounds: values.map((value) => ({ [figure]: value })),
})

function fileOf(scenarios: Readonly<Record<string, readonly CellResult[]>>): ResultFile {
  const record = {
    question: '',
    figures: [],
    command: '',
    startedAt: '',
    seconds: 0,
    versions: {},
    leftOut: {},
    servers: {},
  }
  const machine = { kind: '', processors: '', memoryGb: 0, system: '', node: '' }
  return {
    date: '',
    kind: '',
    scenarios: Object.entries(scenarios).map(([scenario, cells]) => ({
      ...record,
      machine,
      scenario,
      cells,
    })),
  }
}

const rowsOf = (file: ResultFile): string[][] =>
  goalsToMarkdown(file)
    .split('\n')
    .slice(2)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((text) => text.trim()),
    )

const NETWORK = { reads: '99%' }
const networkOf = (ours: readonly number[]): ResultFile =>
  fileOf({
    network: [
      cell('postgres-cache', NETWORK, 'readMeanMs', ours),
      cell('iovalkey', NETWORK, 'readMeanMs', [1, 1, 1]),
      cell('node-redis', NETWORK, 'readMeanMs', [2, 2, 2]),
      cell('node-redis-tracking', NETWORK, 'readMeanMs', [0.01, 0.01, 0.01]),
    ],
  })

it('a goal is met or missed by the median of the rounds, against the best client of Valkey without a local cache', () => {
  const what = 'network, 99% reads: read mean'
  expect(rowsOf(networkOf([0.01, 0.9, 0.04]))).toEqual([
    [what, 'at most 0.05', '0.04 (0.01–0.9) iovalkey', 'met'],
  ])
  expect(rowsOf(networkOf([0.01, 0.9, 0.06]))).toEqual([
    [what, 'at most 0.05', '0.06 (0.01–0.9) iovalkey', '**missed**'],
  ])
})

it('what must be large is met from its bound on, and cells of one contender are compared', () => {
  const rows = (atTenMillion: number): string[][] =>
    rowsOf(
      fileOf({
        scale: [
          cell('postgres-no-local-cache', { operation: 'get', rows: 10_000 }, 'opsPerSecond', [100, 100]),
          cell('postgres-no-local-cache', { operation: 'get', rows: 10_000_000 }, 'opsPerSecond', [
            atTenMillion,
            atTenMillion,
          ]),
        ],
      }),
    )
  expect(rows(80)[0]?.slice(1)).toEqual(['at least 0.8', '0.8 (0.8–0.8)', 'met'])
  expect(rows(79)[0]?.slice(1)).toEqual(['at least 0.8', '0.79 (0.79–0.79)', '**missed**'])
})

it('what stands for itself is written with its unit', () => {
  const rows = rowsOf(
    fileOf({ 'scale-overwrites': [cell('postgres-no-local-cache', {}, 'hotShare', [0.995])] }),
  )
  expect(rows).toEqual([['overwrites: HOT updates', 'at least 99%', '99.5%', 'met']])
})

it('two scenarios are compared by their medians', () => {
  const rows = rowsOf(
    fileOf({
      l1: [cell('postgres-cache', { loop: 'get', values: 'share' }, 'opsPerSecond', [50, 60, 70])],
      saturate: [
        cell('iovalkey', { operation: 'get', callers: 256, bytes: 100, l1: 'off' }, 'opsPerSecond', [2, 2]),
      ],
    }),
  )
  expect(rows.map((row) => row[2])).toEqual(['30× iovalkey'])
})
