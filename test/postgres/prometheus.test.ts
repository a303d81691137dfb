import parse, { type ParsedFamily, type ParsedMetric } from 'parse-prometheus-text-format'
import { afterAll, describe, expect, it } from 'vitest'
import { MS_BOUNDS } from '../../src/core/histogram.ts'
import { NullCache, PostgresCache } from '../../src/index.ts'
import { CONTENT_TYPE, type MeasuredCache, renderMetrics } from '../../src/prometheus.ts'
import { createDatabase } from '../database.ts'

const database = await createDatabase()
const cache = new PostgresCache({ connectionString: database.url, local: false })
afterAll(() => cache.close())
await cache.setMany(Array.from({ length: 100 }, (_, i) => [`key:${i}`, i]))
await cache.get('key:0')
await cache.get('none')
await cache.getOrSet('loaded', () => 1)
await cache.increment('loaded', { by: 1 })
await cache.set('text', 'no number')
await cache.increment('text').catch(() => {})

/** What the parser makes of it, by name. */
function scrape(caches: MeasuredCache | Record<string, MeasuredCache>): Map<string, ParsedFamily> {
  const families = parse(renderMetrics(caches))
  if (families === undefined) throw new Error('Prometheus could not read it')
  return new Map(families.map((family) => [family.name, family]))
}

const sampleOf = (
  families: Map<string, ParsedFamily>,
  name: string,
  labels: Record<string, string> = {},
): ParsedMetric | undefined =>
  families
    .get(name)
    ?.metrics.find((metric) =>
      Object.entries(labels).every(([label, value]) => metric.labels?.[label] === value),
    )

describe('renderMetrics', () => {
  const families = scrape(cache)
  const stats = cache.stats()

  it('says what stats() says, in seconds and bytes', () => {
    const value = (name: string, labels?: Record<string, string>): number =>
      Number(sampleOf(families, `postgres_cache_${name}`, labels)?.value)
    expect(value('hits_total', { tier: 'store' })).toBe(stats.hits.store)
    expect(value('hits_total', { tier: 'local' })).toBe(0)
    expect(value('misses_total')).toBe(stats.misses)
    expect(value('loads_total')).toBe(1)
    expect(value('sets_total')).toBe(102)
    expect(value('statement_failures_total', { statement: 'atomic' })).toBe(1)
    expect(value('statement_failures_total', { statement: 'read' })).toBe(0)
    expect(value('local_entries')).toBe(0)
    expect(value('local_size_bytes')).toBe(0)
    expect(value('circuit_open')).toBe(0)
    expect(value('session_live')).toBe(1)
    expect(value('sync_age_seconds')).toBeGreaterThan(0)
    expect(value('sync_age_seconds')).toBeLessThan((stats.syncAgeMs ?? 0) / 1000)
  })

  it('has each figure of stats() in a family with help and type', () => {
    const counted = ['loads', 'load_failures', 'sets', 'deletes', 'invalidations', 'evictions', 'flushes']
    const told = [
      'hints',
      'syncs',
      'sessions_lost',
      'sessions_restored',
      'swept',
      'circuits_opened',
      'errors',
    ]
    for (const name of ['hits', 'misses', ...counted, ...told])
      expect(families.get(`postgres_cache_${name}_total`)).toMatchObject({ type: 'COUNTER' })
    for (const { help, type } of families.values()) {
      expect(help).toMatch(/^[A-Z].*\.$/)
      expect(type).toMatch(/^(?:COUNTER|GAUGE|HISTOGRAM)$/)
    }
  })

  it('adds up the buckets of a histogram to its count, the last without a bound', () => {
    // The parser knows histograms of one series only. Without their type it reads them sample by sample.
    const samples = parse(renderMetrics(cache).replaceAll(/^#.*\n/gm, '')) ?? []
    const find = (wanted: string, labels: Record<string, string>): ParsedMetric[] =>
      samples
        .filter(({ name }) => name === wanted)
        .flatMap(({ metrics }) => metrics)
        .filter((metric) =>
          Object.entries(labels).every(([label, value]) => metric.labels?.[label] === value),
        )
    const valueOf = (name: string, labels: Record<string, string>): number =>
      Number(find(name, labels)[0]?.value)

    const duration = 'postgres_cache_statement_duration_seconds'
    const buckets = find(`${duration}_bucket`, { statement: 'read' })
    const counts = buckets.map(({ value }) => Number(value))
    expect(counts).toEqual(counts.toSorted((one, other) => one - other))
    expect(buckets.map(({ labels }) => labels?.['le'])).toEqual([
      ...MS_BOUNDS.map((ms) => String(ms / 1000)),
      '+Inf',
    ])
    const read = stats.statements['read']?.duration
    expect(counts.at(-1)).toBe(read?.count)
    expect(valueOf(`${duration}_count`, { statement: 'read' })).toBe(read?.count)
    expect(valueOf(`${duration}_sum`, { statement: 'read' })).toBeCloseTo((read?.sum ?? 0) / 1000, 9)

    const shared = 'postgres_cache_statement_keys_bucket'
    const writes = stats.statements['write']?.keys.count ?? 0
    expect(valueOf(shared, { statement: 'write', le: '64' })).toBe(writes - 1)
    expect(valueOf(shared, { statement: 'write', le: '128' })).toBe(writes)
    expect(valueOf('postgres_cache_call_duration_seconds_count', { call: 'load' })).toBe(1)
  })

  it('leaves out what is not known, and still names it', () => {
    const unknown = renderMetrics(new NullCache())
    expect(unknown).toContain('# TYPE postgres_cache_sync_age_seconds gauge\n')
    expect(unknown).not.toMatch(/^postgres_cache_sync_age_seconds/m)
    expect(unknown).not.toContain('null')
  })

  it('tells several caches apart by a label, with one head for each metric', () => {
    const text = renderMetrics({ main: cache, 'a "quoted\\\nname"': new NullCache() })
    expect(text.match(/^# TYPE postgres_cache_misses_total /gm)).toHaveLength(1)
    expect(text).toContain('postgres_cache_misses_total{cache="main"} 2\n')
    expect(text).toContain('postgres_cache_misses_total{cache="a \\"quoted\\\\\\nname\\""} 0\n')
    const two = scrape({ main: cache, other: new NullCache() })
    expect(two.get('postgres_cache_misses_total')?.metrics).toEqual([
      { labels: { cache: 'main' }, value: '2' },
      { labels: { cache: 'other' }, value: '0' },
    ])
  })

  it('is announced as the format that it has', () => {
    expect(CONTENT_TYPE).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(renderMetrics(cache)).toMatch(/[^\n]\n$/)
  })
})
