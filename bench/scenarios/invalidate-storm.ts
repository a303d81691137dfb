// What it costs the writers that others are told.

import pg from 'pg'
import type { Address } from '../contender.ts'
import type { MixOutput } from '../jobs/mix.ts'
import { mixFigures } from '../load-figures.ts'
import type { Scenario } from '../scenario.ts'
import { keyOf } from '../values.ts'
import { mutingHints } from './muting-hints.ts'

type StormCell = { readonly hints: 'sent' | 'muted' }

const WRITERS = { processes: 2, clients: 8 }
const LISTENERS = { processes: 2, clients: 16 }
const WRITES_PER_SECOND = 300 // of each writer
const SET = { set: 'storm', keys: 2_000, bytes: 100, ttlMs: 600_000 }
const DURATION_MS = { quick: 1_000, full: 10_000 }

export const invalidateStorm: Scenario<StormCell> = {
  name: 'invalidate-storm',
  question:
    '16 writers, 300 overwrites a second each, while 32 others listen and read; with and without hints by NOTIFY.',
  figures: [
    'opsPerSecond',
    'writeMeanMs',
    'writeP95Ms',
    'notificationsPerSecond',
    'clientCpuUs',
    'serverCpuUs',
  ],
  rounds: { quick: 1, full: 3 },

  cells: () => [{ hints: 'sent' }, { hints: 'muted' }],

  contenders: ({ hints }) =>
    hints === 'muted' ? ['postgres-cache'] : ['postgres-cache', 'node-redis-tracking', 'bentocache'],

  async measure(stage, contender, { hints }) {
    const { effort } = stage
    const writers = await stage.fleet(contender, { role: 'writers', ...WRITERS })
    const listeners = await stage.fleet(contender, { role: 'listeners', ...LISTENERS })
    await stage.once(`fill ${contender}`, async () => writers.runIn(0, 'fill', SET))
    const ms = DURATION_MS[effort]
    const storm = async (): Promise<MixOutput[]> => {
      const [outputs] = await Promise.all([
        writers.run('mix', () => ({
          ...SET,
          readShare: 0,
          pace: { perSecond: WRITES_PER_SECOND * WRITERS.clients },
          ms,
        })),
        listeners.run('stayInUse', () => ({ key: keyOf(SET.set, 0), ms })),
      ])
      return outputs
    }
    const address = stage.addressOf(contender)
    const counted = (): Promise<StormResult> =>
      contender === 'postgres-cache'
        ? countingNotifications(address, storm)
        : storm().then((outputs) => ({ outputs, notifications: undefined }))
    const { result, serverCpuMs } = await stage.watchingServer(contender, () =>
      hints === 'muted' ? mutingHints(address, counted) : counted(),
    )
    const { outputs, notifications } = result
    return {
      ...mixFigures(outputs, serverCpuMs),
      ...(notifications !== undefined && { notificationsPerSecond: (notifications / ms) * 1000 }),
    }
  },
}

interface StormResult {
  readonly outputs: readonly MixOutput[]
  readonly notifications: number | undefined
}

async function countingNotifications(
  { url, schema }: Address,
  storm: () => Promise<readonly MixOutput[]>,
): Promise<StormResult> {
  const listener = new pg.Client(url)
  let notifications = 0
  listener.on('notification', () => (notifications += 1))
  await listener.connect()
  await listener.query(`listen ${pg.escapeIdentifier(schema)}`)
  try {
    const outputs = await storm()
    return { outputs, notifications }
  } finally {
    await listener.end()
  }
}
