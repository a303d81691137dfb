// Stands between clients and a server: where it leads can be switched while connections are open, they can be cut, and
// all that is sent over them can be swallowed, as by a network that drops packets.

import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, Socket } from 'node:net'
import type { Transform } from 'node:stream'

/** A connection through the proxy. */
export interface Link {
  /** Of the server that it leads to. */
  readonly port: number
  cut(): void
  /** From now on neither side hears of the other, not even that it has left. */
  swallow(): void
}

export interface TcpProxyOptions {
  /** Changes what a server sends; one for each connection. */
  readonly fromServer?: () => Transform
  /** Changes what a client sends; one for each connection. */
  readonly fromClient?: () => Transform
}

const HOST = '127.0.0.1'

export class TcpProxy implements AsyncDisposable {
  readonly #server: Server
  readonly #options: TcpProxyOptions
  readonly #host: string
  readonly #links = new Set<Link>()
  #port: number
  #swallows = false

  private constructor(server: Server, url: string, options: TcpProxyOptions) {
    const { hostname, port } = new URL(url)
    this.#server = server
    this.#host = hostname
    this.#port = Number(port || 5432)
    this.#options = options
    server.on('connection', (client) => this.#join(client))
  }

  /** Leads to the server of this address. */
  static async to(url: string, options: TcpProxyOptions = {}): Promise<TcpProxy> {
    const server = createServer().listen(0, HOST)
    await once(server, 'listening')
    return new TcpProxy(server, url, options)
  }

  /** The address of the same database through this proxy. */
  urlOf(url: string): string {
    const through = new URL(url)
    through.hostname = HOST
    through.port = String((this.#server.address() as AddressInfo).port)
    return through.href
  }

  get links(): readonly Link[] {
    return [...this.#links]
  }

  /** New connections lead to this port of the same machine; those that are open stay where they are. */
  switchTo(port: number): void {
    this.#port = port
  }

  cut(): void {
    for (const link of this.#links) link.cut()
  }

  /** Open connections become half-open; new ones are accepted, and nobody answers. */
  swallow(): void {
    this.#swallows = true
    for (const link of this.#links) link.swallow()
  }

  /** New connections are passed on again; those that were swallowed are lost. */
  recover(): void {
    this.#swallows = false
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    this.cut()
    await once(this.#server, 'close')
  }

  #join(client: Socket): void {
    const server = new Socket()
    let isSwallowed = false
    const link: Link = {
      port: this.#port,
      cut: () => {
        this.#links.delete(link)
        client.destroy()
        server.destroy()
      },
      swallow: () => {
        isSwallowed = true
        for (const socket of [client, server]) socket.unpipe().resume()
      },
    }
    this.#links.add(link)
    const leave = (): void => {
      if (!isSwallowed) link.cut()
    }
    const { fromClient, fromServer } = this.#options
    join(client, fromClient?.(), server, leave)
    join(server, fromServer?.(), client, leave)
    if (this.#swallows) link.swallow()
    else server.connect(this.#port, this.#host)
  }
}

function join(from: Socket, changed: Transform | undefined, to: Socket, leave: () => void): void {
  if (changed === undefined) from.pipe(to)
  else from.pipe(changed).pipe(to)
  from.on('error', leave).on('close', leave)
  changed?.on('error', leave)
}
