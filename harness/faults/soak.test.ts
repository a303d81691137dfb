// The soak in short: a server that is killed and restarted, networks that swallow, sessions that end, processes that stand still, all in one run.

import { expect, it } from 'vitest'
import { runHarness } from './run-harness.ts'

// Of this seed: the server is killed in the first seconds, and again.
const SEED = 'again'

it.each(['unlogged', 'logged'])(
  'what was overwritten or invalidated never comes back, with an %s store',
  { timeout: 180_000 },
  async (durability) => {
    const flags = ['--seconds', '30', '--processes', '4', '--clients', '6', '--durability', durability]
    const output = await runHarness(['--soak', '--seed', SEED, ...flags], { ownServer: true })
    expect(output).toMatch(/^violations +0$/m)
    expect(output).toMatch(/^ +[1-9]\d* kill -9 of the server$/m)
  },
)
