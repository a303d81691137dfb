// postgres-cache/otel: the figures of a cache as metrics of OpenTelemetry, and its calls as spans. It needs @opentelemetry/api, and an SDK that
// somebody has set up; without one nothing is recorded.

import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type Attributes,
  type BatchObservableCallback,
  type Context,
  context,
  type Histogram,
  type Meter,
  type MeterProvider,
  metrics,
  type Observable,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type TracerProvider,
} from '@opentelemetry/api'
import { CALL_TRACES, type CallTrace, type TimedCall } from './channels.ts'
import type { Cache } from './contract.ts'
import { isCacheError } from './core/errors.ts'
import { CALL_DURATION, type HistogramMetric, type Metric, METRICS, STATEMENT_KEYS } from './metrics.ts'

const SCOPE = 'postgres-cache'
const SYSTEM: Attributes = { 'db.system.name': 'postgresql' }
// As the semantic conventions of database clients have it.
const STATEMENT_BOUNDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]

export interface MetricsOptions {
  /** @default the global one */
  readonly meterProvider?: MeterProvider | undefined
  /** On every metric: what tells the caches of a process apart. @default none */
  readonly attributes?: Attributes | undefined
}

export interface SpansOptions {
  /** @default the global one */
  readonly tracerProvider?: TracerProvider | undefined
}

/**
 * Exports the figures of `stats()`: counters and gauges whenever they are collected, and histograms of how long calls and
 * statements take, the latter as `db.client.operation.duration`. Returns the function that ends it.
 *
 * @example
 * const stop = exportMetrics(cache)
 */
export function exportMetrics(
  cache: Pick<Cache, 'stats' | 'on'>,
  { meterProvider = metrics, attributes = {} }: MetricsOptions = {},
): () => void {
  const meter = meterProvider.getMeter(SCOPE)
  const observed = METRICS.map((metric) => [metric, observable(meter, metric)] as const)
  const observe: BatchObservableCallback = (result) => {
    const stats = cache.stats()
    for (const [metric, instrument] of observed)
      for (const [value, labels] of metric.read(stats))
        result.observe(instrument, value, { ...attributes, ...labels })
  }
  const instruments = observed.map(([, instrument]) => instrument)
  meter.addBatchObservableCallback(observe, instruments)
  const ends = [...listen(cache, meter, attributes)]
  return () => {
    meter.removeBatchObservableCallback(observe, instruments)
    for (const end of ends) end()
  }
}

/** What is collected has no histograms: they are recorded as it happens. */
function listen(cache: Pick<Cache, 'on'>, meter: Meter, attributes: Attributes): (() => void)[] {
  const calls = histogram(meter, CALL_DURATION)
  const keysPerStatement = histogram(meter, STATEMENT_KEYS)
  const statements = meter.createHistogram('db.client.operation.duration', {
    unit: 's',
    description: 'Duration of database client operations.',
    advice: { explicitBucketBoundaries: STATEMENT_BOUNDS },
  })
  return [
    cache.on('timed', ({ call, ms }) => calls.record(ms / 1_000, { ...attributes, call })),
    cache.on('sent', ({ statement, keys, ms, error }) => {
      const failure = error === undefined ? {} : { 'error.type': error.code }
      const operation = { ...SYSTEM, 'db.operation.name': statement, ...failure }
      statements.record(ms / 1_000, { ...attributes, ...operation })
      if (keys > 0) keysPerStatement.record(keys, { ...attributes, statement })
    }),
  ]
}

function observable(meter: Meter, { name, kind, unit, help: description }: Metric): Observable {
  return kind === 'counter'
    ? meter.createObservableCounter(name, { unit, description })
    : meter.createObservableGauge(name, { unit, description })
}

function histogram(
  meter: Meter,
  { name, unit, help: description, perUnit, bounds }: HistogramMetric,
): Histogram {
  const explicitBucketBoundaries = bounds.map((bound) => bound / perUnit)
  return meter.createHistogram(name, { unit, description, advice: { explicitBucketBoundaries } })
}

/**
 * Makes a span of each get, getOrSet and set of any cache of this process that its local cache could not answer alone, and
 * of each run of a loader; what the loader does is inside of that. Keys are not recorded. Returns the function that ends it.
 *
 * @example
 * const stop = exportSpans()
 */
export function exportSpans({ tracerProvider = trace }: SpansOptions = {}): () => void {
  const tracer = tracerProvider.getTracer(SCOPE)
  const ends = (Object.keys(CALL_TRACES) as TimedCall[]).map((call) => {
    const { start, asyncEnd, error } = CALL_TRACES[call]
    const spans = new WeakMap<object, Span>()
    const store = new ActiveContext()
    const begin = (message: CallTrace): Context => {
      const span = tracer.startSpan(`${call} ${message.cache}`, {
        kind: call === 'get' || call === 'set' ? SpanKind.CLIENT : SpanKind.INTERNAL,
        attributes: toAttributes(call, message),
      })
      spans.set(message, span)
      return trace.setSpan(context.active(), span)
    }
    const fail = (message: unknown): void => {
      const { error: failure } = message as { readonly error: unknown }
      const span = spans.get(message as object)
      span?.setStatus({ code: SpanStatusCode.ERROR })
      span?.setAttribute('error.type', errorType(failure))
      if (failure instanceof Error) span?.recordException(failure)
    }
    const finish = (message: unknown): void => spans.get(message as object)?.end()
    start.bindStore(store, begin)
    error.subscribe(fail)
    asyncEnd.subscribe(finish)
    return () => {
      start.unbindStore(store)
      error.unsubscribe(fail)
      asyncEnd.unsubscribe(finish)
    }
  })
  return () => {
    for (const end of ends) end()
  }
}

/** What is bound to a channel runs what it traces: here in the context of the span, which only the context manager of the SDK can set. */
class ActiveContext extends AsyncLocalStorage<object> {
  override run<R, Args extends unknown[]>(active: object, work: (...args: Args) => R, ...args: Args): R {
    return context.with(active as Context, () => work(...args))
  }
}

function toAttributes(call: TimedCall, { cache, keys }: CallTrace): Attributes {
  const size = keys.length > 1 ? { 'db.operation.batch.size': keys.length } : {}
  return { ...SYSTEM, 'db.operation.name': call, ...size, 'postgres_cache.name': cache }
}

function errorType(failure: unknown): string {
  if (isCacheError(failure)) return failure.code
  return failure instanceof Error ? failure.name : typeof failure
}
