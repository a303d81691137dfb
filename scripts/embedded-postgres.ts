// A real PostgreSQL from npm packages for tests, demo and benchmarks: no container, nothing to install, root or not.
// It lives in a temporary folder and never outlives the process that started it, even one that is killed; nor does it
// keep that process running.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'
import { GuardedFolder } from './guarded-folder.ts'
import { executable, type PostgresMajor, prepareBinaries, serverAccount } from './postgres-binaries.ts'
import { killTree } from './process-tree.ts'

export type { PostgresMajor } from './postgres-binaries.ts'

export interface PostgresServerOptions {
  /** @default 18 */
  readonly major?: PostgresMajor
  /** Where an installed server's programs are, to run that one instead of npm's. */
  readonly binDirectory?: string
  /** Server settings that replace or add to `DEFAULT_SETTINGS`. */
  readonly settings?: Readonly<Record<string, string>>
  /** @default a free one */
  readonly port?: number
  /** Variables that the server gets besides those of this process. */
  readonly environment?: Readonly<Record<string, string>>
}

/** `fast` writes a checkpoint; after `immediate` the next start recovers as after a crash. */
export type ShutdownMode = 'fast' | 'immediate'

const HOST = '127.0.0.1'
const DEFAULT_SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: HOST,
  unix_socket_directories: '',
  max_connections: '200',
  // The data is thrown away, so it need not survive a power cut; a killed server still recovers all it acknowledged.
  fsync: 'off',
  full_page_writes: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
}
const READY = /database system is ready to accept (?:read-only )?connections/
const START_PATIENCE_MS = 30_000
const STOP_PATIENCE_MS = 15_000
const POLL_MS = 10
const PORT_ATTEMPTS = 5
const LOG_LINES_SHOWN = 20
const SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT' } as const

/** Starts a server with an empty database `postgres` and a superuser `postgres` who needs no password. */
export function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  return startServer(options, (server) => server.initialise())
}

/** Starts a hot standby that streams from the primary. npm's servers lack the program that it takes. */
export function startStandby(
  primary: PostgresServer,
  options: PostgresServerOptions,
): Promise<PostgresServer> {
  return startServer(options, (server) => server.copyFrom(primary))
}

async function startServer(
  options: PostgresServerOptions,
  initialise: (server: PostgresServer) => Promise<void>,
): Promise<PostgresServer> {
  const folder = new GuardedFolder(serverAccount())
  try {
    const server = new PostgresServer(folder, options)
    await initialise(server)
    await server.start()
    return server
  } catch (error) {
    await folder.remove()
    throw error
  }
}

export class PostgresServer implements AsyncDisposable {
  readonly host: string = HOST
  readonly binDirectory: string
  readonly dataDirectory: string
  readonly #name: string
  readonly #folder: GuardedFolder
  readonly #logFile: string
  readonly #settings: Readonly<Record<string, string>>
  readonly #environment: Readonly<Record<string, string>>
  #port: number | undefined
  #process: ChildProcess | undefined
  #logStart = 0
  #wasKilled = false
  #isRemoved = false

  constructor(
    folder: GuardedFolder,
    { major = 18, binDirectory, settings = {}, port, environment = {} }: PostgresServerOptions,
  ) {
    this.binDirectory = binDirectory ?? prepareBinaries(major, serverAccount(), folder.path)
    this.#name = binDirectory ?? `embedded PostgreSQL ${major}`
    this.dataDirectory = join(folder.path, 'data')
    this.#folder = folder
    this.#logFile = join(folder.path, 'log')
    this.#settings = { ...DEFAULT_SETTINGS, ...settings }
    this.#port = port
    this.#environment = environment
  }

  get port(): number {
    if (this.#port === undefined) throw new Error('the server has not been started')
    return this.#port
  }

  get url(): string {
    return `postgres://postgres@${HOST}:${this.port}/postgres`
  }

  /** The postmaster's process id while the server runs. */
  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** What the server has written to its log so far. */
  log(): string {
    return readFileSync(this.#logFile, 'utf8')
  }

  async initialise(): Promise<void> {
    const account = ['--auth=trust', '--username=postgres']
    const storage = ['--encoding=UTF8', '--locale=C', '--no-sync']
    await this.#finish('initdb', [`--pgdata=${this.dataDirectory}`, ...account, ...storage])
  }

  /** In the place of `initialise`. */
  async copyFrom({ host, port }: PostgresServer): Promise<void> {
    const source = [`--host=${host}`, `--port=${port}`, '--username=postgres', '--no-password']
    const speed = ['--checkpoint=fast', '--no-sync']
    const target = `--pgdata=${this.dataDirectory}`
    await this.#finish('pg_basebackup', [...source, ...speed, target, '--write-recovery-conf'])
  }

  /** Starts the server on its data directory, again after `shutdown` or `kill`. */
  async start(): Promise<void> {
    if (this.#isRemoved) throw new Error('the data directory is gone after stop(): use shutdown() or kill()')
    if (this.#process) throw new Error('the server is running already')
    if (this.#port !== undefined) return this.#startOn(this.#port)

    for (let attempt = 1; ; attempt++) {
      const port = await freePort()
      try {
        await this.#startOn(port)
        this.#port = port
        return
      } catch (error) {
        // Another process may take the free port between its discovery and our use of it.
        const portIsTaken = error instanceof Error && error.message.includes('could not bind')
        if (!portIsTaken || attempt === PORT_ATTEMPTS) throw error
      }
    }
  }

  /** Ends the server and keeps its data directory. */
  async shutdown(mode: ShutdownMode = 'fast'): Promise<void> {
    const postmaster = this.#process
    if (!postmaster) return
    postmaster.kill(SIGNALS[mode])
    const patience = delay(STOP_PATIENCE_MS, 'out of patience', { ref: false })
    if ((await Promise.race([endOf(postmaster), patience])) === 'out of patience') await this.kill()
  }

  /** Ends the postmaster and all its backends by SIGKILL, and keeps the data directory. */
  async kill(): Promise<void> {
    const postmaster = this.#process
    if (!postmaster?.pid) return
    this.#wasKilled = true
    if (process.platform === 'win32') postmaster.kill('SIGKILL')
    else await killTree(postmaster.pid)
    await endOf(postmaster)
  }

  /** Ends the server and removes its data directory. */
  async stop(mode: ShutdownMode = 'fast'): Promise<void> {
    // What a killed server left in the system's shared memory is removed by the next start, and by nothing else.
    if (this.#wasKilled) await this.start().catch(() => {})
    this.#isRemoved = true
    await this.shutdown(mode)
    await this.#folder.remove()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #startOn(port: number): Promise<void> {
    const settings = Object.entries({ ...this.#settings, port: String(port) })
    const postmaster = this.#run('postgres', [
      '-D',
      this.dataDirectory,
      ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ])
    this.#process = postmaster
    const ended = endOf(postmaster).finally(() => {
      if (this.#process === postmaster) this.#process = undefined
    })
    ended.catch(() => {})

    const deadline = Date.now() + START_PATIENCE_MS
    while (!READY.test(this.#recentLog())) {
      const code = await Promise.race([ended, delay(POLL_MS, 'starting' as const)])
      if (code !== 'starting') throw this.#failure(`ended with ${code} before it was ready`)
      if (Date.now() > deadline) {
        await this.kill()
        throw this.#failure(`was not ready after ${START_PATIENCE_MS} ms`)
      }
    }
    await connectOnce(port)
    this.#wasKilled = false
    postmaster.unref()
  }

  async #finish(program: string, args: readonly string[]): Promise<void> {
    const code = await endOf(this.#run(program, args))
    if (code !== 0) throw this.#failure(`could not be prepared: ${program} ended with ${code}`)
  }

  #run(program: string, args: readonly string[]): ChildProcess {
    this.#logStart = readIfThere(this.#logFile).length
    const log = openSync(this.#logFile, 'a')
    const child = spawn(join(this.binDirectory, executable(program)), args, {
      ...serverAccount(),
      cwd: this.#folder.path,
      env: { ...process.env, ...this.#environment },
      // Out of reach of a terminal's Ctrl-C: the server ends when it is told to, or with the guard.
      detached: true,
      windowsHide: true,
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    this.#folder.watch(child.pid)
    child.once('exit', () => this.#folder.watch(undefined))
    return child
  }

  /** What the latest program has written. */
  #recentLog(): string {
    return readIfThere(this.#logFile).slice(this.#logStart)
  }

  #failure(what: string): Error {
    const lines = this.#recentLog().trimEnd().split('\n').slice(-LOG_LINES_SHOWN)
    return new Error(
      `${this.#name} ${what}; set DATABASE_URL to use a server of your own. Its last words:\n` +
        lines.map((line) => `  ${line}`).join('\n'),
    )
  }
}

async function endOf(child: ChildProcess): Promise<number | string> {
  child.ref()
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return child.exitCode ?? child.signalCode ?? 'no exit code'
}

async function connectOnce(port: number): Promise<void> {
  const client = new Client({ host: HOST, port, user: 'postgres', database: 'postgres' })
  await client.connect()
  await client.end()
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

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
