// What a local cache costs its process.

import { CONTENDER_NAMES, infoOf } from '../contenders.ts'
import type { Scenario } from '../scenario.ts'

type MemoryCell = { readonly bytes: number }

const KEYS = 4_000 // all of them fit
const TTL_MS = 3_600_000
const MB = 1024 * 1024

export const memory: Scenario<MemoryCell> = {
  name: 'memory',
  question: `The heap that an entry of the local cache costs beside its key, and the process that holds ${KEYS} of them.`,
  figures: ['bytesPerEntry', 'accountedBytes', 'rssMb'],
  rounds: { quick: 1, full: 3 },

  cells: () => [{ bytes: 100 }, { bytes: 1024 }],

  contenders: () => CONTENDER_NAMES.filter((name) => infoOf(name).local),

  async measure(stage, contender, { bytes }) {
    const set = `memory:${bytes}`
    await stage.once(`fill ${contender} ${bytes}`, async () => {
      await using filler = await stage.openFleet(contender)
      await filler.runIn(0, 'fill', { set, keys: KEYS, bytes, ttlMs: TTL_MS })
    })
    await using fleet = await stage.openFleet(contender, { nodeFlags: ['--expose-gc'] })
    const { rssBytes, ...perEntry } = await fleet.runIn(0, 'memory', { set, keys: KEYS })
    return { ...perEntry, rssMb: rssBytes / MB }
  },
}
