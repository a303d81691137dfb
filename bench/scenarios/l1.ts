// What a hit of the local cache costs, against the least that any could.

import type { Loop, Values } from '../jobs/local-hits.ts'
import type { Scenario } from '../scenario.ts'

type LocalCell = { readonly loop: Loop; readonly values: Values }

const DURATION_MS = { quick: 150, full: 1_000 }

const CELLS: readonly LocalCell[] = [
  { loop: 'get', values: 'clone' },
  { loop: 'bare loop, awaited', values: 'clone' },
  { loop: 'get', values: 'freeze' },
  { loop: 'get', values: 'share' },
  { loop: 'bare loop, awaited', values: 'share' },
  { loop: 'peek', values: 'clone' },
  { loop: 'bare loop', values: 'clone' },
  { loop: 'peek', values: 'share' },
  { loop: 'bare loop', values: 'share' },
]

export const l1: Scenario<LocalCell> = {
  name: 'l1',
  question:
    'Hits one after the other, against a bare loop: a Map and one clock read, and JSON.parse where each caller gets a value ' +
    'of its own.',
  figures: ['opsPerSecond', 'meanNs'],
  rounds: { quick: 1, full: 5 },

  cells: () => CELLS,

  contenders: () => ['postgres-cache'],

  async measure(stage, contender, { loop, values }) {
    // A process for each loop: what one has taught the compiler must not help or hurt another.
    await using fleet = await stage.openFleet(contender)
    const input = { address: stage.addressOf(contender), loop, values }
    await fleet.runIn(0, 'localHits', { ...input, ms: DURATION_MS[stage.effort] / 2 })
    const { calls, ms } = await fleet.runIn(0, 'localHits', { ...input, ms: DURATION_MS[stage.effort] })
    return { opsPerSecond: (calls / ms) * 1_000, meanNs: (ms / calls) * 1e6 }
  },
}
