// A PgBouncer in front of a server.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { GuardedFolder } from '../../scripts/guarded-folder.ts'
import { serverAccount } from '../../scripts/postgres-binaries.ts'
import { searchPath } from './tools.ts'

const HOST = '127.0.0.1'
const START_PATIENCE_MS = 15_000
const POLL_MS = 20

export class PgBouncer implements AsyncDisposable {
  readonly #folder: GuardedFolder
  readonly #process: ChildProcess
  readonly #port: number

  private constructor(folder: GuardedFolder, child: ChildProcess, port: number) {
    this.#folder = folder
    this.#process = child
    this.#port = port
  }

  /** Any database of the server of this address; at most `connections` to each. */
  static async before(
    serverUrl: string,
    { connections, mode = 'transaction' }: { connections: number; mode?: 'transaction' | 'session' },
  ): Promise<PgBouncer> {
    const { hostname, port: serverPort, username, password } = new URL(serverUrl)
    const user = `user=${username}${password === '' ? '' : ` password=${password}`}`
    const folder = new GuardedFolder(serverAccount())
    const port = await freePort()
    const log = join(folder.path, 'log')
    const settings = join(folder.path, 'pgbouncer.ini')
    writeFileSync(
      settings,
      `[databases]
* = host=${hostname} port=${serverPort} ${user}
[pgbouncer]
listen_addr = ${HOST}
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${mode}
default_pool_size = ${connections}
max_client_conn = 200
logfile = ${log}
ignore_startup_parameters = extra_float_digits
`,
    )
    const child = spawn('pgbouncer', ['-q', settings], {
      ...serverAccount(),
      cwd: folder.path,
      env: { ...process.env, PATH: searchPath() },
      stdio: 'ignore',
    })
    folder.watch(child.pid)
    const bouncer = new PgBouncer(folder, child, port)
    try {
      await bouncer.#started(log)
      return bouncer
    } catch (error) {
      await bouncer[Symbol.asyncDispose]()
      throw error
    }
  }

  /** The address of the same database through the pooler. */
  urlOf(url: string): string {
    const through = new URL(url)
    through.hostname = HOST
    through.port = String(this.#port)
    return through.href
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill('SIGKILL')
      await once(this.#process, 'exit')
    }
    this.#folder.watch(undefined)
    await this.#folder.remove()
  }

  async #started(log: string): Promise<void> {
    const deadline = Date.now() + START_PATIENCE_MS
    const written = (): string => (existsSync(log) ? readFileSync(log, 'utf8') : '')
    while (!written().includes('process up')) {
      if (this.#process.exitCode !== null || Date.now() > deadline)
        throw new Error(`PgBouncer did not start:\n${written()}`)
      await delay(POLL_MS)
    }
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, HOST)
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}
