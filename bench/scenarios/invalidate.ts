// How long others may still serve what was overwritten.

import { setTimeout as delay } from 'node:timers/promises'
import type { ContenderName } from '../contenders.ts'
import type { Figures } from '../figures.ts'
import type { Fleet } from '../fleet.ts'
import { distributionOf } from '../latencies.ts'
import type { Scenario } from '../scenario.ts'
import type { Stage } from '../stage.ts'
import { keyOf } from '../values.ts'

type InvalidateCell = {
  readonly listeners: number
  readonly load: 'idle' | '2,000 overwrites/s'
}

const MAX_LISTENER_PROCESSES = 4
const LOAD = { set: 'invalidate:load', keys: 2_000, bytes: 100, ttlMs: 600_000, readShare: 0 }
const LOAD_PER_SECOND = 2_000
const TTL_MS = 600_000
// Idle means that nothing was written for a while.
const IDLE_PAUSE_MS = 50
const PATIENCE_MS = 5_000
const OVERWRITES = { quick: 10, full: 60 }
// The first ones meet code that has never run.
const WARM_UP_OVERWRITES = 5
// Nothing but its own sync tells these: each overwrite takes as long as the bound on staleness.
const POLLED_OVERWRITES = { quick: 1, full: 4 }

let round = 0

export const invalidate: Scenario<InvalidateCell> = {
  name: 'invalidate',
  question:
    'From the acknowledgement of an overwrite to its eviction from the local caches of all others; below zero, they heard ' +
    'of it before the writer did.',
  figures: ['p50Ms', 'p95Ms', 'p99Ms', 'maxMs', 'unheard', 'early', 'opsPerSecond'],
  rounds: { quick: 1, full: 3 },

  cells: ({ effort }) =>
    (['idle', '2,000 overwrites/s'] as const).flatMap((load) =>
      (effort === 'quick' ? [2, 8] : [2, 8, 48]).map((listeners) => ({ load, listeners })),
    ),

  contenders: () => ['postgres-cache', 'postgres-no-notify', 'node-redis-tracking', 'bentocache'],

  async measure(stage, contender, { listeners: count, load }) {
    const processes = Math.min(MAX_LISTENER_PROCESSES, count)
    // Closed after each measurement: listeners of another cell would hear of every write, too.
    await using listeners = await stage.openFleet(contender, { processes, clients: count / processes })
    await using writer = await stage.openFleet(contender)
    if (load === 'idle') return await overwrites(stage, contender, writer, listeners, IDLE_PAUSE_MS)

    await using loader = await stage.openFleet(contender)
    await stage.once(`fill ${contender}`, async () => loader.runIn(0, 'fill', LOAD))
    const over = new AbortController()
    const loading = keepWriting(loader, over.signal)
    let figures: Figures
    try {
      figures = await overwrites(stage, contender, writer, listeners, 0)
    } finally {
      over.abort()
      await loading
    }
    return { ...figures, opsPerSecond: await loading }
  },
}

/** Overwrites a second that it came to. */
async function keepWriting(loader: Fleet, over: AbortSignal): Promise<number> {
  let calls = 0
  let ms = 0
  while (!over.aborted) {
    const output = await loader.runIn(0, 'mix', { ...LOAD, pace: { perSecond: LOAD_PER_SECOND }, ms: 500 })
    calls += output.writes.length
    ms += output.ms
  }
  return (calls / ms) * 1000
}

async function overwrites(
  stage: Stage,
  contender: ContenderName,
  writer: Fleet,
  listeners: Fleet,
  pauseMs: number,
): Promise<Figures> {
  const isPolled = contender === 'postgres-no-notify'
  const warmUp = isPolled ? 1 : WARM_UP_OVERWRITES
  const samples = warmUp + (isPolled ? POLLED_OVERWRITES : OVERWRITES)[stage.effort]
  const key = keyOf('invalidate', round++)
  const write = (value: number) => writer.runIn(0, 'overwrite', { key, value, ttlMs: TTL_MS })
  await write(0)
  const delays: number[] = []
  let early = 0
  for (let i = 1; i <= samples; i++) {
    await delay(pauseMs)
    await listeners.run('armEvictions', () => ({ key }))
    const { sentMs, doneMs } = await write(i)
    const evicted = await listeners.run('collectEvictions', () => ({ key, patienceMs: PATIENCE_MS }))
    if (i <= warmUp) continue
    for (const ms of evicted.flat()) {
      // Before it was sent: for some other reason.
      if (ms < sentMs) early += 1
      else delays.push(ms - doneMs)
    }
  }
  const heard = delays.filter(Number.isFinite)
  return { ...distributionOf([Float64Array.from(heard)]), unheard: delays.length - heard.length, early }
}
