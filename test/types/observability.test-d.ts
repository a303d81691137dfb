// Compiled by `tsc`, never run: what may be measured and exported.

import { expectTypeOf } from 'vitest'
import { type Cache, type CacheStats, type Histogram, NullCache, type TypedCache } from '../../src/index.ts'
import { exportMetrics, exportSpans } from '../../src/otel.ts'
import { renderMetrics } from '../../src/prometheus.ts'

declare const cache: Cache
declare const numbers: TypedCache<number>
declare const stats: CacheStats

// Any cache of this package can be exported, one or several.
expectTypeOf(renderMetrics(cache)).toEqualTypeOf<string>()
expectTypeOf(renderMetrics({ cache, numbers, none: new NullCache() })).toEqualTypeOf<string>()
expectTypeOf(exportMetrics(numbers)).toEqualTypeOf<() => void>()
expectTypeOf(exportSpans()).toEqualTypeOf<() => void>()
// @ts-expect-error no cache
renderMetrics()
// @ts-expect-error figures are not a cache
renderMetrics(stats)
// @ts-expect-error spans are made for all caches of the process
exportSpans(cache)

// Every call that is timed has a histogram; a statement may not have been sent yet.
expectTypeOf(stats.durations.get).toEqualTypeOf<Histogram>()
expectTypeOf(stats.statements['read']?.duration).toEqualTypeOf<Histogram | undefined>()
// @ts-expect-error figures are a copy, and read only
stats.durations.get.count = 0
// @ts-expect-error peek is answered by the local cache alone, and not timed
void stats.durations.peek
