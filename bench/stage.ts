// What a scenario measures on: the servers, and fleets of client processes that are kept until the scenario is over.

import { infoOf, type ContenderName } from './contenders.ts'
import { Fleet, type FleetOptions } from './fleet.ts'
import type { Settings } from './scenario.ts'
import { serverCpuMs } from './servers/server-cpu.ts'
import type { Server, Servers } from './servers/servers.ts'

export type FleetShape = Omit<FleetOptions, 'contender' | 'url'>

export class Stage implements AsyncDisposable {
  readonly settings: Settings
  readonly #servers: Servers
  readonly #fleets = new Map<string, Promise<Fleet>>()
  readonly #prepared = new Map<string, Promise<void>>()

  constructor(servers: Servers, settings: Settings) {
    this.#servers = servers
    this.settings = settings
  }

  get isQuick(): boolean {
    return this.settings.effort === 'quick'
  }

  serverOf(contender: ContenderName): Server {
    const kind = infoOf(contender).server
    const server = this.#servers[kind]
    if (!server) throw new Error(`${contender} needs a ${kind} server`)
    return server
  }

  /** The contender's fleet of this shape, the same one until the scenario is over. */
  async fleet(contender: ContenderName, shape: FleetShape = {}): Promise<Fleet> {
    const id = JSON.stringify([contender, shape])
    const known = this.#fleets.get(id)
    if (known) return known
    const opened = this.openFleet(contender, shape)
    this.#fleets.set(id, opened)
    return opened
  }

  /** A fleet of the caller's own, to be closed by it. */
  openFleet(contender: ContenderName, shape: FleetShape = {}): Promise<Fleet> {
    return Fleet.open({ contender, url: this.serverOf(contender).url, ...shape })
  }

  /** Does what must be done once for the whole scenario. */
  async once(what: string, prepare: () => Promise<void>): Promise<void> {
    const known = this.#prepared.get(what)
    if (known) return known
    const prepared = prepare()
    this.#prepared.set(what, prepared)
    return prepared
  }

  /** Runs the work; resolves with its result and what the contender's server computed meanwhile. */
  async watchingServer<T>(
    contender: ContenderName,
    work: () => Promise<T>,
  ): Promise<{ result: T; serverCpuMs: number | undefined }> {
    const { ownPid } = this.serverOf(contender)
    const before = serverCpuMs(ownPid)
    const result = await work()
    const after = serverCpuMs(ownPid)
    return {
      result,
      serverCpuMs: before === undefined || after === undefined ? undefined : after - before,
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // One that never opened has nothing to close, and one that does not close must not keep the others.
    await Promise.allSettled([...this.#fleets.values()].map(async (fleet) => (await fleet).close()))
  }
}
