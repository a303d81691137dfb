// The examples as processes, against the built package. `npm test` builds it first.

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { createDatabase } from '../database.ts'
import { atEndOfFile } from '../end-of-file.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
// It also finds out whether an example leaves a connection open.
const database = await createDatabase()

function start(
  example: string,
  environment: Record<string, string> = {},
): ChildProcessByStdio<null, Readable, Readable> {
  const child = spawn(process.execPath, ['--import', 'tsx', `examples/${example}`], {
    cwd: root,
    env: { ...process.env, DATABASE_URL: database.url, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  atEndOfFile(async () => {
    child.kill('SIGKILL')
  })
  return child
}

describe('basic-usage', () => {
  it('shows a miss, a hit, and a load after an invalidation', async () => {
    const child = start('basic-usage.ts')
    const [stdout, stderr, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.trimEnd().split('\n')).toEqual([
      '  miss: working it out …',
      'first: { visits: 1 }',
      'again, from the cache: { visits: 1 }',
      'after invalidate: undefined',
      '  miss: working it out …',
      'loaded anew: { visits: 2 }',
    ])
  })
})

describe('http-api', () => {
  it('serves one number until it is told to draw another, and stops when it is asked to', async () => {
    const child = start('http-api.ts', { PORT: '0' })
    const stderr = text(child.stderr)
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const url = (await lines.next()).value as string
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/number$/)

    const ask = async (method: string, at = url): Promise<{ status: number; body: unknown }> => {
      const response = await fetch(at, { method })
      return { status: response.status, body: await response.json() }
    }
    const first = await ask('GET')
    expect(first).toEqual({
      status: 200,
      body: { value: expect.any(Number), drawnAt: expect.stringMatching(/^\d{4}-.*Z$/) },
    })
    expect(await ask('GET')).toEqual(first)

    const drawn = await ask('POST')
    expect(drawn).not.toEqual(first)
    expect(await ask('GET')).toEqual(drawn)
    expect(await ask('DELETE')).toMatchObject({ status: 405 })
    expect(await ask('GET', new URL('/elsewhere', url).href)).toMatchObject({ status: 404 })

    child.kill('SIGTERM')
    expect(await lines.next()).toEqual({ done: false, value: 'stopping' })
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(await stderr).toBe('')
  })
})
