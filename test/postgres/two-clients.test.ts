// Random commands of two clients against a map. A failure prints the seed and the shortest list of commands that fails; run it again with
// FAST_CHECK_SEED=….

import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { type CacheOptions, PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { type Caches, COMMANDS } from './client-commands.ts'
import { ReferenceMap } from './reference-map.ts'

const RUNS = 40
const MAX_COMMANDS = 60
const SEED = Number(process.env['FAST_CHECK_SEED'] ?? Date.now() % 2 ** 31)

const database = await createDatabase()
await database.install()

describe.each<[string, CacheOptions, CacheOptions]>([
  ['both listen', {}, {}],
  ['one polls', { notifications: 'poll' }, {}],
  [
    'one has no local cache, the other shares what it holds',
    { local: false },
    { local: { values: 'share', maxEntries: 3 } },
  ],
])('two clients, where %s', (_, one, two) => {
  const open = (options: CacheOptions): PostgresCache =>
    new PostgresCache({ connectionString: database.url, queryTimeout: '20s', ...options })
  const caches: Caches = [open(one), open(two)]
  afterAll(() => Promise.all(caches.map((cache) => cache.close())))

  it('see what a map would show', async () => {
    console.log(`fast-check seed ${SEED}`)
    const property = fc.asyncProperty(
      fc.commands([...COMMANDS], { maxCommands: MAX_COMMANDS, size: 'max' }),
      async (run) => {
        await caches[0].clear()
        await Promise.all(caches.map((cache) => cache.sync()))
        await fc.asyncModelRun(() => ({ model: new ReferenceMap(), real: caches }), run)
      },
    )
    await fc.assert(property, { seed: SEED, numRuns: RUNS, endOnFailure: false })
    expect(caches[0].stats().errors + caches[1].stats().errors).toBe(0)
  }, 120_000)
})
