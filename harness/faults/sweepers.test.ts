// Sweepers that work at once and are killed in the middle of any step, beside clients that change, load and read.

import { expect, it } from 'vitest'
import { runHarness } from './run-harness.ts'

it('nothing acknowledged is lost, and nothing stale comes back', { timeout: 120_000 }, async () => {
  const output = await runHarness([
    '--seconds',
    '12',
    '--processes',
    '2',
    '--clients',
    '6',
    '--sweepers',
    '2',
  ])
  expect(output).toMatch(/^violations +0$/m)
})
