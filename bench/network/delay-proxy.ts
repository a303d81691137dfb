// A process between a client and its server that holds every packet back for a while, in either direction, and keeps
// their order. In a process of its own, its work is nobody's client CPU.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Alarm } from './alarm.ts'

export interface ProxyOptions {
  readonly host: string
  readonly port: number
  /** Of a round trip: each direction takes half. */
  readonly latencyMs: number
  readonly jitterMs: number
}

interface Held {
  readonly dueMs: number
  readonly release: () => void
}

/** What is held back, of all connections. A binary heap would do no better for the few packets under way. */
class Holder {
  readonly #held: Held[] = []
  readonly #alarm: Promise<Alarm>

  constructor() {
    this.#alarm = Alarm.create(() => this.#releaseDue())
  }

  hold(dueMs: number, release: () => void): void {
    const after = this.#held.findLastIndex((each) => each.dueMs <= dueMs)
    this.#held.splice(after + 1, 0, { dueMs, release })
    if (after === -1) this.#wakeForFirst()
  }

  #releaseDue(): void {
    const now = performance.now()
    while (this.#held[0] && this.#held[0].dueMs <= now) this.#held.shift()?.release()
    this.#wakeForFirst()
  }

  #wakeForFirst(): void {
    const [first] = this.#held
    if (first) void this.#alarm.then((alarm) => alarm.set(first.dueMs))
  }
}

function relay(from: Socket, to: Socket, holder: Holder, delayMs: () => number): void {
  let lastDueMs = 0
  const hold = (release: () => void): void => {
    // A packet never overtakes the one before it.
    lastDueMs = Math.max(lastDueMs, performance.now() + delayMs())
    holder.hold(lastDueMs, release)
  }
  from.on('data', (chunk: Buffer) => hold(() => to.write(chunk)))
  from.on('end', () => hold(() => to.end()))
  from.on('error', () => to.destroy())
  from.on('close', () => hold(() => to.destroy()))
}

async function serve({ host, port, latencyMs, jitterMs }: ProxyOptions): Promise<number> {
  const holder = new Holder()
  const delayMs = (): number => (latencyMs + Math.random() * jitterMs) / 2
  const server = createServer((client) => {
    const upstream = connect({ host, port, noDelay: true })
    client.setNoDelay(true)
    relay(client, upstream, holder, delayMs)
    relay(upstream, client, holder, delayMs)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

process.once('message', (options: ProxyOptions) => {
  void serve(options).then((port) => process.send?.(port))
})
process.on('disconnect', () => process.exit())
