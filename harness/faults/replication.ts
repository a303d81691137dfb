// A primary, a standby that streams from it, and an address that leads to the one or the other.

import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'
import { type PostgresServer, startPostgres, startStandby } from '../../scripts/embedded-postgres.ts'
import { TcpProxy } from '../../test/tcp-proxy.ts'
import { INSTALLED_POSTGRES } from './installed-postgres.ts'

export class Replication implements AsyncDisposable {
  readonly primary: PostgresServer
  readonly standby: PostgresServer
  readonly #pools: TcpProxy
  readonly #sessions: TcpProxy

  private constructor(primary: PostgresServer, standby: PostgresServer, pools: TcpProxy, sessions: TcpProxy) {
    this.primary = primary
    this.standby = standby
    this.#pools = pools
    this.#sessions = sessions
  }

  static async start(): Promise<Replication> {
    const installed = { binDirectory: INSTALLED_POSTGRES as string }
    const primary = await startPostgres(installed)
    const standby = await startStandby(primary, installed)
    return new Replication(primary, standby, await TcpProxy.to(primary.url), await TcpProxy.to(primary.url))
  }

  /** Leads to the primary, and to the standby after failOver(). */
  get address(): { readonly connectionString: string; readonly sessionConnectionString: string } {
    return {
      connectionString: this.#pools.urlOf(this.primary.url),
      sessionConnectionString: this.#sessions.urlOf(this.primary.url),
    }
  }

  /** The open connections of pools, by where they lead. */
  get poolPorts(): number[] {
    return this.#pools.links.map(({ port }) => port)
  }

  /** Waits until the standby has all that the primary has now. */
  async catchUp(): Promise<void> {
    const [row] = await this.query(this.primary, 'select pg_current_wal_lsn()::text as lsn')
    const isBehind = 'select where pg_last_wal_replay_lsn() < $1::pg_lsn'
    while ((await this.query(this.standby, isBehind, [row?.['lsn']])).length > 0) await delay(20)
  }

  /** What the primary does from now on is lost to the standby, which looks again after five seconds only. */
  async disconnect(): Promise<void> {
    await this.query(this.primary, 'select pg_terminate_backend(pid) from pg_stat_replication')
  }

  async promote(): Promise<void> {
    await this.query(this.standby, 'select pg_promote()')
  }

  /** New connections lead to the standby; `cut` says which of the old ones end. */
  switchOver(cut: { readonly pools: 'all' | 'one' }): void {
    this.#pools.switchTo(this.standby.port)
    this.#sessions.switchTo(this.standby.port)
    this.#sessions.cut()
    if (cut.pools === 'all') this.#pools.cut()
    else this.#pools.links[0]?.cut()
  }

  /** The primary dies, the standby takes its place. */
  async failOver(): Promise<void> {
    await this.primary.kill()
    this.switchOver({ pools: 'all' })
    await this.promote()
  }

  async query(
    server: PostgresServer,
    sql: string,
    params: readonly unknown[] = [],
  ): Promise<Record<string, unknown>[]> {
    const client = new Client(server.url)
    await client.connect()
    try {
      return (await client.query<Record<string, unknown>>(sql, [...params])).rows
    } finally {
      await client.end()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#pools[Symbol.asyncDispose](), this.#sessions[Symbol.asyncDispose]()])
    await this.standby.stop('immediate')
    await this.primary.stop('immediate')
  }
}
