// The harness as a process: is any promise broken meanwhile?

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { inject } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** What it printed. A server of its own it may kill. */
export async function runHarness(
  flags: readonly string[],
  { ownServer = false }: { readonly ownServer?: boolean } = {},
): Promise<string> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'harness/main.ts', ...flags], {
    cwd: ROOT,
    env: { ...process.env, DATABASE_URL: ownServer ? '' : inject('serverUrl') },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [output] = await Promise.all([text(child.stdout), once(child, 'exit')])
  console.log(output)
  return output
}
