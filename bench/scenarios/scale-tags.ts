// Whether invalidating a tag costs more when more entries carry it.

import { distributionOf } from '../latencies.ts'
import type { Scenario } from '../scenario.ts'
import { keyOf } from '../values.ts'
import { fillStore, openStore, SCALE_SET } from './scale-store.ts'

type TagsCell = { readonly entries: number }

const ENTRIES = { quick: [1, 20_000], full: [1, 1_000_000] }
const CALLS = { quick: 20, full: 200 }
const TAG = 'all'

let round = 0

export const scaleTags: Scenario<TagsCell> = {
  name: 'scale-tags',
  question: 'Invalidating a tag that one entry carries, and one that many carry.',
  figures: ['p50Ms', 'p95Ms', 'meanMs'],
  rounds: { quick: 1, full: 2 },

  cells: ({ effort }) => ENTRIES[effort].map((entries) => ({ entries })),

  contenders: () => ['postgres-no-local-cache'],

  async measure(stage, _contender, { entries }) {
    // A new store each time: once invalidated, the entries are void.
    const store = await openStore(stage, `tags_${round++}`)
    const { cache } = store
    await fillStore(store, entries, [TAG])
    const samples = new Float64Array(CALLS[stage.effort])
    for (let i = 0; i < samples.length; i++) {
      const start = performance.now()
      await cache.invalidateTags(TAG)
      samples[i] = performance.now() - start
    }
    if (await cache.has(keyOf(SCALE_SET, entries - 1))) throw new Error('an invalidated entry was served')
    return distributionOf([samples])
  },
}
