// postgres-cache/prometheus: the figures of caches as text that Prometheus scrapes. It depends on nothing.

import type { Cache } from './contract.ts'
import type { Histogram } from './core/histogram.ts'
import { HISTOGRAMS, type HistogramMetric, type Labels, type Metric, METRICS, type Unit } from './metrics.ts'

/** Whatever has figures: a PostgresCache, a NullCache. */
export type MeasuredCache = Pick<Cache, 'stats'>

/** The `content-type` of what renderMetrics returns. */
export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/**
 * The metrics of a cache in the text format of Prometheus, to be served at `/metrics`; it may be appended to what other
 * libraries render. Of several caches each sample carries the label `cache`, with the names that they are given here.
 *
 * @example
 * response.setHeader('content-type', CONTENT_TYPE).end(renderMetrics(cache))
 */
export function renderMetrics(caches: MeasuredCache | Readonly<Record<string, MeasuredCache>>): string {
  const named: [Labels, MeasuredCache][] = isCache(caches)
    ? [[{}, caches]]
    : Object.entries(caches).map(([cache, each]) => [{ cache }, each])
  const measured = named.map(([labels, cache]) => ({ labels, stats: cache.stats() }))

  const lines: string[] = []
  for (const metric of METRICS) {
    lines.push(...head(metric))
    for (const { labels, stats } of measured)
      for (const [value, own] of metric.read(stats))
        lines.push(sample(promName(metric), { ...labels, ...own }, value))
  }
  for (const metric of HISTOGRAMS) {
    lines.push(...head(metric))
    for (const { labels, stats } of measured)
      for (const [histogram, own] of metric.read(stats))
        lines.push(...buckets(metric, { ...labels, ...own }, histogram))
  }
  return `${lines.join('\n')}\n`
}

function isCache(caches: MeasuredCache | Readonly<Record<string, MeasuredCache>>): caches is MeasuredCache {
  return typeof caches.stats === 'function'
}

const SUFFIXES: Partial<Record<Unit, string>> = { s: '_seconds', By: '_bytes' }

function promName({ name, unit, kind }: Metric | HistogramMetric): string {
  return name.replaceAll('.', '_') + (SUFFIXES[unit] ?? '') + (kind === 'counter' ? '_total' : '')
}

function head(metric: Metric | HistogramMetric): [string, string] {
  const name = promName(metric)
  return [`# HELP ${name} ${metric.help}`, `# TYPE ${name} ${metric.kind}`]
}

function buckets(metric: HistogramMetric, labels: Labels, { counts, sum, count }: Histogram): string[] {
  const name = promName(metric)
  let below = 0
  const cumulative = counts.map((inBucket, i) => {
    below += inBucket
    const bound = metric.bounds[i]
    const le = bound === undefined ? '+Inf' : String(bound / metric.perUnit)
    return sample(`${name}_bucket`, { ...labels, le }, below)
  })
  return [
    ...cumulative,
    sample(`${name}_sum`, labels, sum / metric.perUnit),
    sample(`${name}_count`, labels, count),
  ]
}

function sample(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escape(text)}"`)
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}`
}

function escape(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
