import { expect, it } from 'vitest'
import type { ContenderName } from '../../bench/contenders.ts'
import type { FigureName } from '../../bench/figures.ts'
import { type Compared, ratiosToMarkdown } from '../../bench/ratios.ts'

function result(
  scenario: string,
  figure: FigureName,
  values: Readonly<Partial<Record<ContenderName, readonly number[]>>>,
  server = 'Valkey 8.0.1',
): Compared {
  return {
    scenario,
    versions: Object.fromEntries(
      Object.keys(values).map((contender) => [contender, `a client 1.2.3, ${server}`]),
    ),
    cells: Object.entries(values).map(([contender, each]) => ({
      cell: { topology: 'one' },
      contender: contender as ContenderName,
      rounds: each.map((value) => ({ [figure]: value })),
    })),
  }
}

it('a ratio is the median of those of the rounds, to the best of the clients of Valkey without a local cache', () => {
  const markdown = ratiosToMarkdown(
    result('read-heavy', 'readMeanMs', {
      'postgres-cache': [1, 10, 3],
      iovalkey: [4, 20, 2],
      'node-redis': [5, 30, 4],
      'node-redis-tracking': [1, 1, 1],
      bentocache: [1, 1, 1],
    }),
  )
  expect(markdown?.split('\n').at(-1)).toContain('| 0.5 (0.25–1.5) iovalkey ')
})

it('of calls a second, the most is the best', () => {
  const markdown = ratiosToMarkdown(
    result('saturate', 'opsPerSecond', {
      'postgres-no-local-cache': [100],
      iovalkey: [50],
      'valkey-glide': [200],
    }),
  )
  expect(markdown?.split('\n').at(-1)).toContain('| 0.5 valkey-glide ')
})

it('there is none where nothing is compared, nobody of ours took part, or rounds are missing', () => {
  expect(ratiosToMarkdown(result('memory', 'rssMb', { 'postgres-cache': [1] }))).toBeUndefined()
  expect(ratiosToMarkdown(result('network', 'readMeanMs', { iovalkey: [1] }))).toBeUndefined()
  expect(
    ratiosToMarkdown(result('network', 'readMeanMs', { 'postgres-cache': [1, 2], iovalkey: [1] })),
  ).toBeUndefined()
})

it.each([
  ['Valkey 8.0.1', 'postgres-cache / valkey'],
  ['Valkey 7.2.5', 'postgres-cache / redis'],
  ['Redis 7.0.15', 'postgres-cache / redis'],
])('a column is headed by the server that ran: %s', (server, heading) => {
  const values = { 'postgres-cache': [1], iovalkey: [2] }
  expect(ratiosToMarkdown(result('network', 'readMeanMs', values, server))?.split('\n')[0]).toContain(heading)
})
