// A Valkey or Redis server of our own: in memory alone, on loopback, ended with the process that started it.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
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

export async function startValkey(program: string): Promise<Server> {
  const port = await freePort()
  const child = spawn(program, ['--bind', HOST, '--port', String(port), ...SETTINGS], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await ready(child, program)
  const endWithUs = (): boolean => child.kill('SIGKILL')
  process.once('exit', endWithUs)
  return {
    url: `redis://${HOST}:${port}`,
    ownPid: child.pid,
    settings: 'no persistence, otherwise as it comes',
    stop: async () => {
      process.off('exit', endWithUs)
      child.kill('SIGTERM')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    },
  }
}

async function ready(child: ChildProcess, program: string): Promise<void> {
  if (!child.stdout) throw new Error(`${program} has no output`)
  for await (const line of createInterface({ input: child.stdout })) {
    if (!READY.test(line)) continue
    child.stdout.resume()
    return
  }
  throw new Error(`${program} ended before it was ready`)
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
