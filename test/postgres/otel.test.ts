// Against the real SDK, with a real cache behind.

import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { DataPointType, type MetricData, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { METRICS } from '../../src/metrics.ts'
import { exportMetrics, exportSpans } from '../../src/otel.ts'
import { createDatabase } from '../database.ts'

const database = await createDatabase()
const cache = new PostgresCache({ connectionString: database.url, local: false })
afterAll(() => cache.close())
await cache.connect()

class Collector extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

describe('exportMetrics', () => {
  const reader = new Collector()
  const meterProvider = new MeterProvider({ readers: [reader] })
  afterAll(() => meterProvider.shutdown())

  async function collect(): Promise<Map<string, MetricData>> {
    const { resourceMetrics, errors } = await reader.collect()
    expect(errors).toEqual([])
    const [scope] = resourceMetrics.scopeMetrics
    return new Map((scope?.metrics ?? []).map((metric) => [metric.descriptor.name, metric]))
  }

  /** The value of the data point with these attributes. */
  function valueOf(metric: MetricData | undefined, attributes: Record<string, unknown>): unknown {
    const points: readonly { attributes: object; value: unknown }[] = metric?.dataPoints ?? []
    return points.find((point) => JSON.stringify(point.attributes) === JSON.stringify(attributes))?.value
  }

  it('exports every figure, the durations of statements as the semantic conventions have it, until it is ended', async () => {
    const attributes = { service: 'test' }
    const stop = exportMetrics(cache, { meterProvider, attributes })
    await cache.setMany(Array.from({ length: 100 }, (_, i) => [`key:${i}`, i]))
    await cache.get('key:0')
    await cache.get('none')
    await cache.getOrSet('loaded', () => 1)
    await cache.set('text', 'no number')
    await cache.increment('text').catch(() => {})
    const stats = cache.stats()
    const metrics = await collect()

    const unknown = ['postgres_cache.call.duration', 'postgres_cache.statement.keys']
    const all = [...METRICS.map(({ name }) => name), ...unknown, 'db.client.operation.duration']
    expect([...metrics.keys()].toSorted()).toEqual(all.toSorted())
    expect(metrics.get('postgres_cache.hits')).toMatchObject({
      descriptor: { unit: '{hit}' },
      isMonotonic: true,
    })
    expect(valueOf(metrics.get('postgres_cache.hits'), { service: 'test', tier: 'store' })).toBe(
      stats.hits.store,
    )
    expect(valueOf(metrics.get('postgres_cache.misses'), attributes)).toBe(stats.misses)
    expect(metrics.get('postgres_cache.sync.age')).toMatchObject({
      dataPointType: DataPointType.GAUGE,
      descriptor: { unit: 's' },
    })
    expect(
      valueOf(metrics.get('postgres_cache.call.duration'), { service: 'test', call: 'load' }),
    ).toMatchObject({ count: 1, sum: stats.durations.load.sum / 1000 })
    expect(
      valueOf(metrics.get('postgres_cache.statement.keys'), { service: 'test', statement: 'write' }),
    ).toMatchObject({ count: 3, sum: 102, max: 100 })

    const statements = metrics.get('db.client.operation.duration')
    expect(statements?.descriptor.unit).toBe('s')
    const read = { service: 'test', 'db.system.name': 'postgresql', 'db.operation.name': 'read' }
    expect(valueOf(statements, read)).toMatchObject({
      buckets: { boundaries: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10] },
      count: stats.statements['read']?.duration.count,
    })
    expect(
      valueOf(statements, { ...read, 'db.operation.name': 'atomic', 'error.type': 'invalid-value' }),
    ).toMatchObject({ count: 1 })

    stop()
    await cache.get('none')
    const after = await collect()
    expect(valueOf(after.get('postgres_cache.misses'), attributes)).not.toBe(cache.stats().misses)
    expect(valueOf(after.get('db.client.operation.duration'), read)).toEqual(valueOf(statements, read))
  })
})

describe('exportSpans', () => {
  const exporter = new InMemorySpanExporter()
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  const tracer = tracerProvider.getTracer('test')
  beforeAll(() => void context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()))
  afterEach(() => exporter.reset())
  afterAll(() => context.disable())

  const spanCalled = (name: string): ReadableSpan => {
    const span = exporter.getFinishedSpans().find((each) => each.name === name)
    if (span === undefined) throw new Error(`no span is called ${name}`)
    return span
  }

  it('makes spans of calls inside of those of their callers, and of loads around what the loader does', async () => {
    const stop = exportSpans({ tracerProvider })
    await tracer.startActiveSpan('request', async (request) => {
      await cache.getOrSet('spanned', () => tracer.startActiveSpan('query', (query) => query.end()) ?? 1)
      await cache.getMany(['a', 'b'])
      request.end()
    })
    stop()
    await cache.get('unheard')

    const [request, getOrSet, load, query, get] = [
      'request',
      'getOrSet postgres_cache',
      'load postgres_cache',
      'query',
      'get postgres_cache',
    ].map(spanCalled) as [ReadableSpan, ReadableSpan, ReadableSpan, ReadableSpan, ReadableSpan]
    expect(exporter.getFinishedSpans()).toHaveLength(5)
    expect(getOrSet.parentSpanContext).toEqual(request.spanContext())
    expect(load.parentSpanContext).toEqual(getOrSet.spanContext())
    expect(query.parentSpanContext).toEqual(load.spanContext())
    expect(get.parentSpanContext).toEqual(request.spanContext())
    expect(get).toMatchObject({ kind: SpanKind.CLIENT, status: { code: SpanStatusCode.UNSET } })
    expect(get.attributes).toEqual({
      'db.system.name': 'postgresql',
      'db.operation.name': 'get',
      'db.operation.batch.size': 2,
      'postgres_cache.name': 'postgres_cache',
    })
    expect(load.kind).toBe(SpanKind.INTERNAL)
    expect(load.attributes['db.operation.batch.size']).toBeUndefined()
  })

  it('marks what failed', async () => {
    const stop = exportSpans({ tracerProvider })
    const failing = cache.getOrSet('fails', () => {
      throw new TypeError('no such user')
    })
    await expect(failing).rejects.toThrow('no such user')
    stop()
    for (const name of ['getOrSet postgres_cache', 'load postgres_cache']) {
      const { status, attributes, events, ended } = spanCalled(name)
      expect(status.code).toBe(SpanStatusCode.ERROR)
      expect(attributes['error.type']).toBe('TypeError')
      expect(events).toMatchObject([{ name: 'exception' }])
      expect(ended).toBe(true)
    }
  })

  it('goes on without a context manager and without an SDK', async () => {
    context.disable()
    const stop = exportSpans()
    expect(await cache.getOrSet('bare', () => trace.getActiveSpan() ?? 'no span')).toBe('no span')
    stop()
  })
})
