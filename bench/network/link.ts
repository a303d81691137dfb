// A slow way to a server, for all contenders alike, and how slow it turned out to be.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { median } from '../latencies.ts'
import type { ProxyOptions } from './delay-proxy.ts'

const PROXY = fileURLToPath(new URL('delay-proxy.ts', import.meta.url))
const PINGS = 200

export interface Delay {
  readonly latencyMs: number
  readonly jitterMs: number
}

/** The way to the server of a URL, through a proxy that delays. */
export class Link {
  readonly url: string
  readonly #proxy: ChildProcess

  private constructor(url: string, proxy: ChildProcess) {
    this.url = url
    this.#proxy = proxy
  }

  static async open(target: string, delay: Delay): Promise<Link> {
    const url = new URL(target)
    const fallbackPort = url.protocol.startsWith('postgres') ? 5432 : 6379
    const { proxy, port } = await startProxy({
      host: url.hostname,
      port: Number(url.port || fallbackPort),
      ...delay,
    })
    url.hostname = '127.0.0.1'
    url.port = String(port)
    return new Link(url.href, proxy)
  }

  close(): void {
    this.#proxy.kill('SIGKILL')
  }
}

/** What such a proxy really adds to a round trip: the median over pings of an echo server, less that without it. */
export async function measureDelay(delay: Delay): Promise<number> {
  const echo = createServer((socket) => socket.setNoDelay(true).pipe(socket)).listen(0, '127.0.0.1')
  await once(echo, 'listening')
  const { port } = echo.address() as AddressInfo
  const slow = await startProxy({ host: '127.0.0.1', port, ...delay })
  try {
    return median(await ping(slow.port)) - median(await ping(port))
  } finally {
    slow.proxy.kill('SIGKILL')
    await closed(echo)
  }
}

async function startProxy(options: ProxyOptions): Promise<{ proxy: ChildProcess; port: number }> {
  const proxy = fork(PROXY)
  proxy.send(options)
  const [port] = (await once(proxy, 'message')) as [number]
  return { proxy, port }
}

async function ping(port: number): Promise<number[]> {
  const socket: Socket = connect({ host: '127.0.0.1', port, noDelay: true })
  await once(socket, 'connect')
  const times: number[] = []
  for (let i = 0; i < PINGS; i++) {
    const start = performance.now()
    socket.write('ping')
    await once(socket, 'data')
    times.push(performance.now() - start)
  }
  socket.destroy()
  return times
}

async function closed(server: Server): Promise<void> {
  server.close()
  await once(server, 'close')
}
