// A cache as it is mostly used: many keys of unequal popularity, mostly read, from several processes.

import { CONTENDER_NAMES } from '../contenders.ts'
import type { Pace } from '../jobs/mix.ts'
import { mixFigures } from '../load-figures.ts'
import type { Scenario } from '../scenario.ts'

type ReadHeavyCell = {
  readonly reads: '95%' | '99%'
  readonly pace: keyof typeof PACES
}

const PROCESSES = 4
// Per process. At a given rate everyone has the same work to do, so that latencies can be compared.
const PACES: Readonly<Record<'8,000/s' | '64 callers', Pace>> = {
  '8,000/s': { perSecond: 8_000 / PROCESSES },
  '64 callers': { callers: 64 / PROCESSES },
}
const SHARES = { '95%': 0.95, '99%': 0.99 }
const KEYS = { quick: 10_000, full: 100_000 }
const BYTES = 100
const TTL_MS = 3_600_000
const DURATION_MS = { quick: 500, full: 2_500 }
// As many calls as can be: at first until the keys that a local cache has room for are mostly there, later for a moment, because others had their turn.
const WARM_UP: Pace = { callers: 16 }
const FIRST_WARM_UP_MS = { quick: 1_000, full: 20_000 }
const WARM_UP_MS = { quick: 250, full: 1_500 }

export const readHeavy: Scenario<ReadHeavyCell> = {
  name: 'read-heavy',
  question:
    'Four processes read and write 100,000 keys of Zipf popularity, warmed up: at a given rate, and by callers that wait.',
  figures: [
    'opsPerSecond',
    'readMeanMs',
    'readP50Ms',
    'readP99Ms',
    'writeMeanMs',
    'hitRate',
    'clientCpuUs',
    'serverCpuUs',
  ],
  rounds: { quick: 1, full: 4 },

  cells: () =>
    (['95%', '99%'] as const).flatMap((reads) =>
      (['8,000/s', '64 callers'] as const).map((pace) => ({ reads, pace })),
    ),

  contenders: () => CONTENDER_NAMES,

  async measure(stage, contender, { reads, pace }) {
    const { effort } = stage
    const fleet = await stage.fleet(contender, { processes: PROCESSES })
    const keys = { set: 'read-heavy', keys: KEYS[effort], bytes: BYTES, ttlMs: TTL_MS }
    await stage.once(`fill ${contender}`, async () => fleet.runIn(0, 'fill', keys))
    const run = (at: Pace, ms: number) =>
      fleet.run('mix', () => ({ ...keys, readShare: SHARES[reads], pace: at, ms }))
    await stage.once(`warm up ${contender}`, async () => void (await run(WARM_UP, FIRST_WARM_UP_MS[effort])))
    await run(WARM_UP, WARM_UP_MS[effort])
    const { result, serverCpuMs } = await stage.watchingServer(contender, () =>
      run(PACES[pace], DURATION_MS[effort]),
    )
    return mixFigures(result, serverCpuMs)
  },
}
