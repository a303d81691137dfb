#!/usr/bin/env node
// The command `postgres-cache`. Exit codes: 0 done, 1 failed, declined, or a problem found, 2 wrong usage.

import { isCacheError } from '../core/errors.ts'
import { inFlags, parseArguments, UsageError } from './arguments.ts'
import { run } from './commands.ts'

// `postgres-cache sql | head` closes our output early: that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

try {
  process.exitCode = await run(parseArguments(process.argv.slice(2), process.env))
} catch (error) {
  console.error(`error: ${describe(error)}`)
  process.exitCode = error instanceof UsageError || isCacheError(error, 'invalid-option') ? 2 : 1
}

function describe(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  const line = message.trim().replaceAll(/\s*\n\s*/g, '; ')
  if (!isCacheError(error)) return line
  return `${error.code === 'invalid-option' ? inFlags(line) : line} [${error.code}]`
}
