// The harness in short: it finds nothing wrong with the cache, and it finds the naive one out. HARNESS_SEED=… repeats what its clients choose.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, inject, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PATIENCE_MS = 120_000
const SEED = process.env['HARNESS_SEED'] ?? Date.now().toString(36)

/** Resolves to its exit code and what it printed. */
async function harness(...flags: readonly string[]): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'harness/main.ts', '--seed', SEED, ...flags], {
    cwd: ROOT,
    env: { ...process.env, DATABASE_URL: inject('serverUrl') },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit') as Promise<[number]>])
  console.log(output.slice(0, output.indexOf('\n\n'))) // with the seed
  const history = /^history +(.+)$/m.exec(output)?.[1]
  if (history !== undefined && code !== 0 && flags.includes('--naive')) await rm(history, { recursive: true })
  return { code, output }
}

const figure = (output: string, name: string): number =>
  Number(new RegExp(`^${name} +(\\d+)`, 'm').exec(output)?.[1])

it(
  'everything that the cache can be asked for, in three processes, breaks no promise',
  { timeout: PATIENCE_MS },
  async () => {
    const { code, output } = await harness('--seconds', '10', '--processes', '3')
    expect(output).toMatch(/^violations +0$/m)
    expect(code).toBe(0)
    expect(figure(output, 'compared')).toBeGreaterThan(100)
    expect(figure(output, 'keys changed')).toBeGreaterThan(50)
  },
)

it('the naive cache is found out', { timeout: PATIENCE_MS }, async () => {
  const { code, output } = await harness('--naive', '--seconds', '15', '--processes', '3')
  expect(output).toMatch(/× G4: a valid entry and its source row disagree in one snapshot$/m)
  expect(code).toBe(1)
})

it('versions never go back in the load test of the original', { timeout: PATIENCE_MS }, async () => {
  const profile = ['--writers', '4', '--reads', '4', '--write-iterations', '40', '--read-iterations', '80']
  const { code, output } = await harness('--preset', 'original', '--processes', '2', ...profile)
  expect(output).toMatch(/^violations +0$/m)
  expect(code).toBe(0)
  expect(figure(output, 'set')).toBe(160)
})
