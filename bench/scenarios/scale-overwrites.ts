// Whether a table that is only ever overwritten stays as it is.

import { setTimeout as delay } from 'node:timers/promises'
import { saturationFigures } from '../load-figures.ts'
import type { Scenario } from '../scenario.ts'
import { fillStore, openStore, SCALE_SET, type ScaleStore } from './scale-store.ts'

type OverwritesCell = { readonly rows: number; readonly seconds: number }

const ROWS = 20_000
const CALLERS = 256
const BYTES = 100
const TTL_MS = 7 * 24 * 3_600_000
const STATISTICS_DELAY_MS = 1_500 // backends report to the statistics once a second
const MB = 1024 * 1024

let round = 0

export const scaleOverwrites: Scenario<OverwritesCell> = {
  name: 'scale-overwrites',
  question: `As many overwrites as go through from ${CALLERS} callers: what they do to the table and its index.`,
  figures: ['opsPerSecond', 'p99Ms', 'serverCpuUs', 'tableMb', 'growth', 'hotShare'],
  rounds: { quick: 1, full: 1 },

  cells: ({ effort }) => [{ rows: ROWS, seconds: effort === 'quick' ? 2 : 300 }],

  contenders: () => ['postgres-no-local-cache'],

  async measure(stage, contender, { rows, seconds }) {
    const store = await openStore(stage, `overwrites_${round++}`)
    await fillStore(store, rows)
    const before = await statisticsOf(store)
    const fleet = await stage.fleet(contender, { address: store.address })
    const input = { set: SCALE_SET, keys: rows, bytes: BYTES, callers: CALLERS, ttlMs: TTL_MS }
    const { result, serverCpuMs } = await stage.watchingServer(contender, () =>
      fleet.runIn(0, 'saturate', { operation: 'set', ...input, ms: seconds * 1_000 }),
    )
    await delay(STATISTICS_DELAY_MS)
    const after = await statisticsOf(store)
    return {
      ...saturationFigures(result, serverCpuMs),
      tableMb: after.bytes / MB,
      growth: after.bytes / before.bytes,
      hotShare: (after.hotUpdates - before.hotUpdates) / (after.updates - before.updates),
    }
  },
}

interface TableStatistics {
  readonly bytes: number
  readonly updates: number
  readonly hotUpdates: number
}

async function statisticsOf({ client, address }: ScaleStore): Promise<TableStatistics> {
  const { rows } = await client.query<Record<string, string>>(
    `select pg_total_relation_size(relid) as bytes, n_tup_upd as updates, n_tup_hot_upd as hot_updates
     from pg_stat_user_tables where schemaname = $1 and relname = 'entries'`,
    [address.schema],
  )
  const [row] = rows
  return {
    bytes: Number(row?.['bytes']),
    updates: Number(row?.['updates']),
    hotUpdates: Number(row?.['hot_updates']),
  }
}
