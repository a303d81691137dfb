// How many reads and writes a process gets through, by number of callers and size of value.

import { CONTENDER_NAMES, infoOf, type ContenderName } from '../contenders.ts'
import { saturationFigures } from '../load-figures.ts'
import type { Scenario } from '../scenario.ts'

type SaturateCell = {
  readonly operation: 'get' | 'set'
  readonly bytes: number
  readonly callers: number
  readonly l1: 'off' | 'on'
}

// With a local cache all keys fit into it; without one a few hundred callers hardly ever meet on a key.
const KEYS = { off: 20_000, on: 2_000 }
const TTL_MS = 3_600_000
const DURATION_MS = { quick: 250, full: 700 }
const WARM_UP_MS = { quick: 150, full: 300 }

export const saturate: Scenario<SaturateCell> = {
  name: 'saturate',
  question:
    'How many calls a second one process gets through, each caller waiting for its answer before it asks again.',
  figures: ['opsPerSecond', 'p50Ms', 'p99Ms', 'clientCpuUs', 'serverCpuUs'],
  rounds: { quick: 1, full: 3 },

  cells({ effort }) {
    const sizes = effort === 'quick' ? [100] : [100, 1024, 16_384]
    const crowds = effort === 'quick' ? [1, 64, 256] : [1, 16, 64, 256, 1024]
    return (['off', 'on'] as const).flatMap((l1) =>
      sizes.flatMap((bytes) =>
        (['get', 'set'] as const).flatMap((operation) =>
          crowds.map((callers) => ({ l1, operation, bytes, callers })),
        ),
      ),
    )
  },

  contenders({ l1 }): ContenderName[] {
    return CONTENDER_NAMES.filter((name) => infoOf(name).local === (l1 === 'on'))
  },

  async measure(stage, contender, { operation, bytes, callers, l1 }) {
    const { effort } = stage.settings
    const fleet = await stage.fleet(contender)
    const keys = KEYS[l1]
    const set = `saturate:${bytes}`
    await stage.once(`${contender} ${set}`, async () => {
      await fleet.runIn(0, 'fill', { set, keys, bytes, ttlMs: TTL_MS })
    })
    const input = { operation, set, keys, bytes, callers, ttlMs: TTL_MS }
    await fleet.runIn(0, 'saturate', { ...input, ms: WARM_UP_MS[effort] })
    const { result, serverCpuMs } = await stage.watchingServer(contender, () =>
      fleet.runIn(0, 'saturate', { ...input, ms: DURATION_MS[effort] }),
    )
    return saturationFigures(result, serverCpuMs)
  },
}
