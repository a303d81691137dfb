// Whether the log of invalidations and the feed stay bounded, and what readers feel of it.

import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { atRate } from '../at-rate.ts'
import { mixFigures } from '../load-figures.ts'
import type { Scenario } from '../scenario.ts'
import { fillStore, openStore, SCALE_SET, type ScaleStore } from './scale-store.ts'

type LogCell = { readonly invalidations: number }

const ROWS = 20_000
const HOT_TAG = 'hot'
const INVALIDATIONS_PER_SECOND = 1_000
const CALLS_PER_SECOND = 500
const READ_SHARE = 0.95
const BYTES = 100
const TTL_MS = 7 * 24 * 3_600_000
const DURATION_MS = { idle: { quick: 1_000, full: 30_000 }, storm: { quick: 1_500, full: 180_000 } }
const LOOK_EVERY_MS = 1_000

let round = 0

export const scaleLog: Scenario<LogCell> = {
  name: 'scale-log',
  question:
    `${CALLS_PER_SECOND} calls a second, of which ${READ_SHARE * 100}% read, on ${ROWS} rows; alone, and while a tag that half of the rows ` +
    'carry is invalidated all the time beside a writing transaction that is left open.',
  figures: [
    'readMeanMs',
    'readP50Ms',
    'readP95Ms',
    'readP99Ms',
    'hitRate',
    'logRows',
    'feedRows',
    'serverCpuUs',
  ],
  rounds: { quick: 1, full: 1 },

  cells: () => [{ invalidations: 0 }, { invalidations: INVALIDATIONS_PER_SECOND }],

  contenders: () => ['postgres-no-local-cache'],

  async measure(stage, contender, { invalidations }) {
    const store = await openStore(stage, `log_${round++}`)
    await fillStore(store, ROWS)
    await fillStore(store, ROWS / 2, [HOT_TAG])
    const fleet = await stage.fleet(contender, { address: store.address })
    const ms = DURATION_MS[invalidations === 0 ? 'idle' : 'storm'][stage.effort]
    const pace = { perSecond: CALLS_PER_SECOND }
    const input = { set: SCALE_SET, keys: ROWS, bytes: BYTES, ttlMs: TTL_MS, readShare: READ_SHARE, pace, ms }
    const work = async () => {
      const [outputs, most] = await Promise.all([
        fleet.run('mix', () => input),
        watchRows(store, ms),
        invalidations === 0 ? undefined : invalidateHotTag(store, ms),
      ])
      return { outputs, most }
    }
    const { result, serverCpuMs } = await stage.watchingServer(contender, work)
    return { ...mixFigures(result.outputs, serverCpuMs), ...result.most }
  },
}

async function invalidateHotTag({ address, cache }: ScaleStore, ms: number): Promise<void> {
  const leftOpen = new pg.Client(address.url)
  await leftOpen.connect()
  await leftOpen.query('begin')
  await leftOpen.query(`select ${pg.escapeIdentifier(address.schema)}.invalidate_tags('left open')`)
  await atRate(INVALIDATIONS_PER_SECOND, ms, () => cache.invalidateTags(HOT_TAG))
  await leftOpen.query('rollback')
  await leftOpen.end()
}

async function watchRows(
  { client, address }: ScaleStore,
  ms: number,
): Promise<{ logRows: number; feedRows: number }> {
  const schema = pg.escapeIdentifier(address.schema)
  const end = performance.now() + ms
  const most = { logRows: 0, feedRows: 0 }
  while (performance.now() < end) {
    await delay(Math.min(LOOK_EVERY_MS, end - performance.now()))
    const { rows } = await client.query<{ log: number; feed: number }>(
      `select (select count(*)::integer from ${schema}.invalidations) as log, (select count(*)::integer from ${schema}.feed) as feed`,
    )
    most.logRows = Math.max(most.logRows, rows[0]?.log ?? 0)
    most.feedRows = Math.max(most.feedRows, rows[0]?.feed ?? 0)
  }
  return most
}
