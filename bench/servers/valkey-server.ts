// A Valkey or Redis server of our own: in memory alone, on loopback, ended with the process that started it.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { Server } from './servers.ts'

const HOST = '127.0.0.1'
const PROGRAMS = ['valkey-server', 'redis-server']
const READY = /Ready to accept connections/
// A cache: nothing is written to disk.
const SETTINGS = ['--save', '', '--appendonly', 'no']

/** The first of valkey-server and redis-server on the PATH. */
export function findValkeyProgram(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const candidates = PROGRAMS.flatMap((program) => folders.map((folder) => join(folder, program)))
  return candidates.find(isExecutable)
}

// The shell ends the server when its input does: however this process comes to its end.
const UNDER_GUARD = '"$0" "$@" & exec >/dev/null; read -r _; kill $!; wait'

export async function startValkey(program: string): Promise<Server> {
  const port = await freePort()
  const args = ['--bind', HOST, '--port', String(port), ...SETTINGS]
  const shell = spawn('sh', ['-c', UNDER_GUARD, program, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(shell, 'exit')
  const stop = async (): Promise<void> => {
    shell.stdin.end()
    await ended
  }
  if (!(await isReady(shell.stdout))) {
    await stop()
    throw new Error(`${program} ended before it was ready`)
  }
  return {
    url: `redis://${HOST}:${port}`,
    ownPid: shell.pid,
    settings: `no persistence, otherwise as it comes, ${allocatorOf(program)}`,
    stop,
  }
}

/** Such as malloc=jemalloc-5.3.0: it matters more to speed than any setting. */
function allocatorOf(program: string): string {
  return (
    /\bmalloc=\S+/.exec(execFileSync(program, ['--version'], { encoding: 'utf8' }))?.[0] ?? 'malloc unknown'
  )
}

async function isReady(output: Readable): Promise<boolean> {
  let isFound = false
  for await (const line of createInterface({ input: output })) {
    isFound = READY.test(line)
    if (isFound) break
  }
  // What it says later is not read, and must not fill the pipe.
  output.resume()
  return isFound
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, HOST)
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  if (address === null || typeof address === 'string') throw new Error('no TCP port is free')
  return address.port
}
