// The same mixture by a way that takes as long as one between two zones of a cloud.

import { CONTENDER_NAMES } from '../contenders.ts'
import { mixFigures } from '../load-figures.ts'
import { type Delay, measureDelay } from '../network/link.ts'
import type { Scenario } from '../scenario.ts'

type NetworkCell = { readonly reads: '95%' | '99%' }

const DELAY: Delay = { latencyMs: 1.5, jitterMs: 0.5 }
const SHARES = { '95%': 0.95, '99%': 0.99 }
const PROCESSES = 2
const CALLS_PER_SECOND = 2_000 // of each process: the proxy must not become what is measured
const KEYS = 10_000
const BYTES = 100
const TTL_MS = 3_600_000
const DURATION_MS = { quick: 500, full: 3_500 }
// As many calls as can be, or most keys would be asked for the first time in what is measured.
const WARM_UP = { callers: 64 }
const WARM_UP_MS = { quick: 500, full: 3_000 }

export const network: Scenario<NetworkCell> = {
  name: 'network',
  question:
    'Two processes, warmed up, 2,000 calls a second each on 10,000 keys of Zipf popularity, with a real delay of 1.5 ms and up to ' +
    '0.5 ms of jitter in each round trip to the server.',
  figures: [
    'addedMs',
    'opsPerSecond',
    'readMeanMs',
    'readP50Ms',
    'readP99Ms',
    'writeMeanMs',
    'writeP95Ms',
    'hitRate',
    'clientCpuUs',
    'serverCpuUs',
  ],
  rounds: { quick: 1, full: 3 },

  cells: () => [{ reads: '95%' }, { reads: '99%' }],

  contenders: () => CONTENDER_NAMES,

  async measure(stage, contender, { reads }) {
    const { effort } = stage
    const address = await stage.slowAddressOf(contender, DELAY)
    const fleet = await stage.fleet(contender, { processes: PROCESSES, address })
    const keys = { set: 'network', keys: KEYS, bytes: BYTES, ttlMs: TTL_MS }
    await stage.once(`fill ${contender}`, async () => fleet.runIn(0, 'fill', keys))
    const input = { ...keys, readShare: SHARES[reads] }
    await fleet.run('mix', () => ({ ...input, pace: WARM_UP, ms: WARM_UP_MS[effort] }))
    const addedMs = await measureDelay(DELAY)
    const { result, serverCpuMs } = await stage.watchingServer(contender, () =>
      fleet.run('mix', () => ({ ...input, pace: { perSecond: CALLS_PER_SECOND }, ms: DURATION_MS[effort] })),
    )
    return { addedMs, ...mixFigures(result, serverCpuMs) }
  },
}
