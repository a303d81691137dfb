// The harness as a process: is any promise broken meanwhile?

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { inject } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** What it printed. */
export async function runHarness(...flags: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'harness/main.ts', ...flags], {
    cwd: ROOT,
    env: { ...process.env, DATABASE_URL: inject('serverUrl') },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [output] = await Promise.all([text(child.stdout), once(child, 'exit')])
  console.log(output)
  return output
}
