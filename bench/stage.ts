// What a scenario measures on: the servers, and fleets of client processes that are kept until the scenario is over.

import { type Address, schemaOf } from './contender.ts'
import { infoOf, type ContenderName } from './contenders.ts'
import { Fleet, type FleetOptions } from './fleet.ts'
import { type Delay, Link } from './network/link.ts'
import type { Effort, Settings } from './scenario.ts'
import { serverCpuMs } from './servers/server-cpu.ts'
import type { Server, Servers } from './servers/servers.ts'

export interface FleetShape extends Partial<Omit<FleetOptions, 'contender'>> {
  /** Tells fleets of the same shape apart. */
  readonly role?: string
}

export class Stage implements AsyncDisposable {
  readonly settings: Settings
  readonly #servers: Servers
  readonly #fleets = new Map<string, Promise<Fleet>>()
  readonly #links = new Map<string, Promise<Link>>()
  readonly #prepared = new Map<string, Promise<void>>()
  readonly #endings: (() => Promise<void>)[] = []

  constructor(servers: Servers, settings: Settings) {
    this.#servers = servers
    this.settings = settings
  }

  get effort(): Effort {
    return this.settings.effort
  }

  addressOf(contender: ContenderName): Address {
    return { url: this.#serverOf(contender).url, schema: schemaOf(contender) }
  }

  /** The address of the contender's server by a slow way. */
  async slowAddressOf(contender: ContenderName, delay: Delay): Promise<Address> {
    const { url, schema } = this.addressOf(contender)
    const link = await kept(this.#links, JSON.stringify([url, delay]), () => Link.open(url, delay))
    return { url: link.url, schema }
  }

  /** The contender's fleet of this shape, the same one until the scenario is over. */
  fleet(contender: ContenderName, shape: FleetShape = {}): Promise<Fleet> {
    return kept(this.#fleets, JSON.stringify([contender, shape]), () => this.openFleet(contender, shape))
  }

  /** A fleet of the caller's own, to be closed by it. */
  openFleet(contender: ContenderName, shape: FleetShape = {}): Promise<Fleet> {
    return Fleet.open({ contender, address: this.addressOf(contender), ...shape })
  }

  /** Does what must be done once for the whole scenario. */
  once(what: string, prepare: () => Promise<void>): Promise<void> {
    return kept(this.#prepared, what, prepare)
  }

  /** Has it done when the scenario is over. */
  atEnd(end: () => Promise<void>): void {
    this.#endings.push(end)
  }

  /** Runs the work; resolves with its result and what the contender's server computed meanwhile. */
  async watchingServer<T>(
    contender: ContenderName,
    work: () => Promise<T>,
  ): Promise<{ result: T; serverCpuMs: number | undefined }> {
    const { ownPid } = this.#serverOf(contender)
    const before = serverCpuMs(ownPid)
    const result = await work()
    const after = serverCpuMs(ownPid)
    const isKnown = before !== undefined && after !== undefined
    return { result, serverCpuMs: isKnown ? after - before : undefined }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // One that never opened has nothing to close, and one that does not close must not keep the others.
    await Promise.allSettled([...this.#fleets.values()].map(async (fleet) => (await fleet).close()))
    await Promise.allSettled([...this.#links.values()].map(async (link) => (await link).close()))
    for (const end of this.#endings) await end()
  }

  #serverOf(contender: ContenderName): Server {
    const kind = infoOf(contender).server
    const server = this.#servers[kind]
    if (!server) throw new Error(`${contender} needs a ${kind} server`)
    return server
  }
}

async function kept<T>(known: Map<string, Promise<T>>, id: string, create: () => Promise<T>): Promise<T> {
  const present = known.get(id)
  if (present) return present
  const created = create()
  known.set(id, created)
  return created
}
