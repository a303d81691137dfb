// A popular key is missing, and everyone asks for it at once.

import { CONTENDER_NAMES } from '../contenders.ts'
import { distributionOf } from '../latencies.ts'
import type { Scenario } from '../scenario.ts'
import { keyOf } from '../values.ts'

type StampedeCell = { readonly callers: number; readonly processes: number }

const LOADER_MS = 100
const TTL_MS = 60_000

let round = 0

export const stampede: Scenario<StampedeCell> = {
  name: 'stampede',
  question:
    `A thousand callers in eight processes ask at once for a key that takes ${LOADER_MS} ms to load. Clients without a call ` +
    'for it get, load and set. Times after the fill count from when the first loader returned.',
  figures: ['loads', 'afterFillP50Ms', 'afterFillP99Ms', 'lastAnswerMs'],
  rounds: { quick: 2, full: 9 },

  cells: () => [{ callers: 1_000, processes: 8 }],

  contenders: () => CONTENDER_NAMES,

  async measure(stage, contender, { callers, processes }) {
    const fleet = await stage.fleet(contender, { processes })
    const key = keyOf('stampede', round++)
    // Everyone is connected and has run the code before.
    await fleet.run('stampede', () => ({ key: `${key}:warm-up`, callers: 8, loaderMs: 1, ttlMs: TTL_MS }))
    const outputs = await fleet.run('stampede', () => ({
      key,
      callers: callers / processes,
      loaderMs: LOADER_MS,
      ttlMs: TTL_MS,
    }))
    const startedMs = Math.min(...outputs.map((output) => output.startedMs))
    const loadedMs = outputs.flatMap((output) => output.loadedMs)
    const answeredMs = outputs.flatMap((output) => output.answeredMs)
    const filledMs = Math.min(...loadedMs)
    const { p50Ms, p99Ms } = distributionOf([Float64Array.from(answeredMs, (ms) => ms - filledMs)])
    return {
      loads: loadedMs.length,
      afterFillP50Ms: p50Ms,
      afterFillP99Ms: p99Ms,
      lastAnswerMs: Math.max(...answeredMs) - startedMs,
    }
  },
}
