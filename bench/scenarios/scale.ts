// Whether a large store is slower than a small one.

import { saturationFigures } from '../load-figures.ts'
import type { Scenario } from '../scenario.ts'
import type { Stage } from '../stage.ts'
import { fillStore, openStore, SCALE_SET, type ScaleStore } from './scale-store.ts'

type ScaleCell = { readonly operation: 'get' | 'set' | 'prune'; readonly rows: number }

const SIZES = { quick: [10_000, 50_000], full: [10_000, 100_000, 1_000_000, 10_000_000] }
const CALLERS = 64
const BYTES = 100
const TTL_MS = 7 * 24 * 3_600_000
const WARM_UP_MS = { quick: 250, full: 3_000 }
const DURATION_MS = { quick: 500, full: 4_000 }

const stores = new WeakMap<Stage, Map<number, ScaleStore>>()

export const scale: Scenario<ScaleCell> = {
  name: 'scale',
  question:
    `Stores of different sizes: reads and writes of random keys by ${CALLERS} callers, and one round of the sweeper over rows ` +
    'that are all valid.',
  figures: ['opsPerSecond', 'p50Ms', 'p99Ms', 'serverCpuUs', 'cycleMs', 'rowsPerSecond'],
  rounds: { quick: 1, full: 2 },

  cells: ({ effort }) =>
    (['get', 'set', 'prune'] as const).flatMap((operation) =>
      SIZES[effort].map((rows) => ({ operation, rows })),
    ),

  contenders: () => ['postgres-no-local-cache'],

  async measure(stage, contender, { operation, rows }) {
    const { effort } = stage
    const { address, cache } = await storeOf(stage, rows)
    if (operation === 'prune') {
      const start = performance.now()
      await cache.prune()
      const cycleMs = performance.now() - start
      return { cycleMs, rowsPerSecond: (rows / cycleMs) * 1_000 }
    }
    const fleet = await stage.fleet(contender, { address })
    const input = { operation, set: SCALE_SET, keys: rows, bytes: BYTES, callers: CALLERS, ttlMs: TTL_MS }
    await fleet.runIn(0, 'saturate', { ...input, ms: WARM_UP_MS[effort] })
    const { result, serverCpuMs } = await stage.watchingServer(contender, () =>
      fleet.runIn(0, 'saturate', { ...input, ms: DURATION_MS[effort] }),
    )
    return saturationFigures(result, serverCpuMs)
  },
}

async function storeOf(stage: Stage, rows: number): Promise<ScaleStore> {
  const known = stores.get(stage) ?? new Map<number, ScaleStore>()
  stores.set(stage, known)
  await stage.once(`${rows} rows`, async () => {
    const store = await openStore(stage, `${rows}_rows`)
    await fillStore(store, rows)
    known.set(rows, store)
  })
  return known.get(rows) as ScaleStore
}
