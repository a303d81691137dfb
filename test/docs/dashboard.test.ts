// The Grafana dashboard asks for what is exposed, in the language of Prometheus.

import { readFileSync } from 'node:fs'
import { parser } from '@prometheus-io/lezer-promql'
import parse from 'parse-prometheus-text-format'
import { describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { HISTOGRAMS } from '../../src/metrics.ts'
import { renderMetrics } from '../../src/prometheus.ts'
import { createDatabase } from '../database.ts'

interface Dashboard {
  readonly panels: readonly {
    readonly title: string
    readonly targets?: readonly { readonly expr: string }[]
  }[]
  readonly templating: { readonly list: readonly { readonly type: string; readonly definition?: string }[] }
}

/** What a query asks for. */
interface Asked {
  readonly metrics: readonly string[]
  readonly labels: readonly string[]
}

// Prometheus adds these to whatever it scrapes.
const LABELS_OF_SCRAPING = new Set(['job', 'instance'])

/** Throws where it is no query. */
function askedBy(expression: string): Asked {
  const query = expression.replaceAll('$__rate_interval', '5m')
  const metrics: string[] = []
  const labels: string[] = []
  parser.parse(query).iterate({
    enter: ({ type, from, to, node }) => {
      const text = query.slice(from, to)
      if (type.isError) throw new Error(`not a query: ${query.slice(0, from)}⟨here⟩${query.slice(from)}`)
      if (type.name === 'Identifier' && node.parent?.type.name === 'VectorSelector') metrics.push(text)
      if (type.name === 'LabelName') labels.push(text)
    },
  })
  return { metrics, labels: labels.filter((label) => !LABELS_OF_SCRAPING.has(label)) }
}

/** The labels of each sample, by its name. */
function exposedIn(text: string): Map<string, Set<string>> {
  const exposed = new Map<string, Set<string>>()
  for (const { name, metrics } of parse(text.replaceAll(/^#.*\n/gm, '')) ?? []) {
    const labels = exposed.get(name) ?? new Set()
    for (const metric of metrics) for (const label of Object.keys(metric.labels ?? {})) labels.add(label)
    exposed.set(name, labels)
  }
  return exposed
}

function unknownIn({ metrics, labels }: Asked, exposed: Map<string, Set<string>>): string[] {
  const known = new Set(metrics.flatMap((metric) => [...(exposed.get(metric) ?? [])]))
  return [...metrics.filter((metric) => !exposed.has(metric)), ...labels.filter((label) => !known.has(label))]
}

const dashboard = JSON.parse(
  readFileSync(new URL('../../docs/grafana-dashboard.json', import.meta.url), 'utf8'),
) as Dashboard
const queries = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => [title, expr] as const),
)

const database = await createDatabase()
await using cache = new PostgresCache({ connectionString: database.url })
await cache.set('key', 1)
const exposed = exposedIn(renderMetrics(cache))

describe('the dashboard', () => {
  it.each(queries)('%s: asks for metrics and labels that are exposed', (_, query) => {
    const asked = askedBy(query)
    expect(asked.metrics).not.toEqual([])
    expect(unknownIn(asked, exposed)).toEqual([])
  })

  it('offers the values of labels of metrics that are exposed', () => {
    const offered = dashboard.templating.list.filter(({ type }) => type === 'query')
    expect(offered).toHaveLength(2)
    for (const { definition = '' } of offered) {
      const [, metric = ''] = /^label_values\((\w+)/.exec(definition) ?? []
      expect([...exposed.keys()]).toContain(metric)
    }
  })

  it('shows every metric that is exposed', () => {
    const shown = new Set(queries.flatMap(([, query]) => askedBy(query).metrics))
    const parts = /_(?:bucket|sum|count)$/
    const isHistogram = (name: string): boolean =>
      HISTOGRAMS.some((metric) => name.startsWith(metric.name.replaceAll('.', '_')))
    const family = (name: string): string => (isHistogram(name) ? name.replace(parts, '') : name)
    const families = new Set([...exposed.keys()].map(family))
    expect(new Set([...shown].map(family))).toEqual(families)
  })
})

describe('the check notices', () => {
  it('a metric and a label that are not exposed', () => {
    expect(unknownIn(askedBy('rate(postgres_cache_gone_total[5m])'), exposed)).toEqual([
      'postgres_cache_gone_total',
    ])
    expect(unknownIn(askedBy('sum by (tear) (postgres_cache_hits_total{color="red"})'), exposed)).toEqual([
      'tear',
      'color',
    ])
  })

  it('what is no query', () => {
    expect(() => askedBy('sum(rate(postgres_cache_misses_total[5m])')).toThrow('not a query')
    expect(() => askedBy('rate(postgres_cache_misses_total[])')).toThrow('not a query')
  })
})
