// BentoCache in its two-tier form: memory in front of Valkey, and a bus that tells the other processes.

import { setTimeout as delay } from 'node:timers/promises'
import { BentoCache, bentostore } from 'bentocache'
import { memoryDriver } from 'bentocache/drivers/memory'
import { redisBusDriver, redisDriver } from 'bentocache/drivers/redis'
import { Redis, type RedisOptions } from 'ioredis'
import {
  type Address,
  type Contender,
  KEY_PREFIX,
  LOCAL_ENTRIES,
  packageVersion,
  type Versions,
} from '../contender.ts'
import { serverOf } from '../servers/valkey-version.ts'

const STORE = 'bench'
const CHANNEL = `bentocache.notifications:${STORE}`
const POLL_MS = 10
const PATIENCE_MS = 5_000

let clientsInProcess = 0

export function createBentocache({ url }: Address): Contender {
  return new BentocacheContender(url)
}

function createBento(connection: Redis, bus: RedisOptions) {
  const store = bentostore()
    .useL1Layer(memoryDriver({ maxItems: LOCAL_ENTRIES }))
    .useL2Layer(redisDriver({ connection, prefix: KEY_PREFIX }))
    .useBus(redisBusDriver({ connection: bus }))
  return new BentoCache({ default: STORE, stores: { [STORE]: store } })
}

class BentocacheContender implements Contender {
  readonly name = 'bentocache'
  readonly #connection: Redis
  readonly #bento: ReturnType<typeof createBento>

  constructor(url: string) {
    this.#connection = new Redis(url, { enableAutoPipelining: true, lazyConnect: true })
    this.#bento = createBento(this.#connection, optionsOf(url))
    clientsInProcess += 1
  }

  async connect(): Promise<void> {
    await this.#connection.connect()
    // It subscribes on first use and tells nobody when it has: until then it would miss what others change.
    await this.#bento.get({ key: 'first-use' })
    const deadline = performance.now() + PATIENCE_MS
    while ((await this.#subscribers()) < clientsInProcess) {
      if (performance.now() > deadline) throw new Error(`nobody subscribed to ${CHANNEL}`)
      await delay(POLL_MS)
    }
  }

  async #subscribers(): Promise<number> {
    const [, count] = (await this.#connection.pubsub('NUMSUB', CHANNEL)) as [string, number]
    return count
  }

  async versions(): Promise<Versions> {
    return { client: packageVersion('bentocache'), server: serverOf(await this.#connection.info('server')) }
  }

  async set(key: string, value: unknown, ttlMs: number): Promise<void> {
    await this.#bento.set({ key, value, ttl: ttlMs })
  }

  get(key: string): Promise<unknown> {
    return this.#bento.get({ key })
  }

  async delete(key: string): Promise<void> {
    await this.#bento.delete({ key })
  }

  getOrSet(key: string, loader: () => Promise<unknown>, ttlMs: number): Promise<unknown> {
    return this.#bento.getOrSet({ key, factory: loader, ttl: ttlMs })
  }

  onEvicted(listener: (key: string) => void): void {
    this.#bento.on('bus:message:received', ({ message }) => {
      for (const key of message.keys) listener(key)
    })
  }

  async close(): Promise<void> {
    await this.#bento.disconnectAll()
  }
}

// Not a connection: given one, the bus of this version reads its binary messages as text and drops them.
function optionsOf(url: string): RedisOptions {
  const { hostname, port, username, password, protocol } = new URL(url)
  return {
    host: hostname,
    port: Number(port || 6379),
    ...(username && { username }),
    ...(password && { password }),
    ...(protocol === 'rediss:' && { tls: {} }),
  }
}
