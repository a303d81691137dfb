// A network namespace, which stands for another machine, and a server that it reaches over a cable of its own.

import { execFileSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client, type QueryResultRow } from 'pg'
import type { PostgresServer } from '../../scripts/embedded-postgres.ts'
import { startOwnServer } from '../../test/own-server.ts'
import { searchPath } from './tools.ts'

export class Namespace implements AsyncDisposable {
  readonly #name: string
  readonly #device: string
  readonly #network: string
  #server: PostgresServer | undefined

  private constructor() {
    // A link-local network of two addresses, which leads nowhere else.
    const number = randomInt(1, 255)
    this.#network = `169.254.${number}`
    this.#name = `postgres-cache-${process.pid}-${number}`
    this.#device = `pgc${process.pid}`
  }

  static async create(): Promise<Namespace> {
    const namespace = new Namespace()
    try {
      await namespace.#build()
      return namespace
    } catch (error) {
      await namespace[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Runs what follows inside. */
  get command(): readonly [string, ...string[]] {
    return ['ip', 'netns', 'exec', this.#name, process.execPath]
  }

  /** Of the server, from inside. */
  get serverUrl(): string {
    const url = new URL(this.localUrl)
    url.hostname = `${this.#network}.1`
    return url.href
  }

  /** Of the server, from outside. */
  get localUrl(): string {
    return (this.#server as PostgresServer).url
  }

  disconnect(): void {
    this.#inside('link', 'set', 'inner', 'down')
  }

  reconnect(): void {
    this.#inside('link', 'set', 'inner', 'up')
  }

  async query<Row extends QueryResultRow>(sql: string): Promise<Row[]> {
    const client = new Client(this.localUrl)
    await client.connect()
    try {
      return (await client.query<Row>(sql)).rows
    } finally {
      await client.end()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.stop('immediate')
    ip('netns', 'delete', this.#name)
  }

  async #build(): Promise<void> {
    ip('netns', 'add', this.#name)
    ip('link', 'add', this.#device, 'type', 'veth', 'peer', 'name', 'inner', 'netns', this.#name)
    ip('address', 'add', `${this.#network}.1/30`, 'dev', this.#device)
    ip('link', 'set', this.#device, 'up')
    this.#inside('address', 'add', `${this.#network}.2/30`, 'dev', 'inner')
    this.#inside('link', 'set', 'inner', 'up')
    this.#inside('link', 'set', 'lo', 'up')
    this.#server = await startOwnServer({ listen_addresses: `127.0.0.1,${this.#network}.1` })
    const entry = `host all all ${this.#network}.2/32 trust\n`
    appendFileSync(join(this.#server.dataDirectory, 'pg_hba.conf'), entry)
    await this.query('select pg_reload_conf()')
  }

  #inside(...args: readonly string[]): void {
    ip('-n', this.#name, ...args)
  }
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { env: { ...process.env, PATH: searchPath() } })
}
