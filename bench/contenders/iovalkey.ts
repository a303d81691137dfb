// The client that Valkey's project forked from ioredis. Commands of one tick go out as one pipeline, and with automatic pipelining one pipeline at a
// time is under way: best where the server is near, while far from it the commands of the next ticks wait for the answers to the first.

import { Redis } from 'iovalkey'
import { type Address, type Contender, packageVersion, type Versions } from '../contender.ts'
import { serverOf } from '../servers/valkey-version.ts'

export function createIovalkey({ url }: Address): Contender {
  return new Iovalkey(url)
}

class Iovalkey implements Contender {
  readonly name = 'iovalkey'
  readonly #client: Redis

  constructor(url: string) {
    this.#client = new Redis(url, { enableAutoPipelining: true, lazyConnect: true })
  }

  connect(): Promise<void> {
    return this.#client.connect()
  }

  async versions(): Promise<Versions> {
    return { client: packageVersion('iovalkey'), server: serverOf(await this.#client.info('server')) }
  }

  async set(key: string, value: unknown, ttlMs: number): Promise<void> {
    await this.#client.set(key, JSON.stringify(value), 'PX', ttlMs)
  }

  async get(key: string): Promise<unknown> {
    const text = await this.#client.get(key)
    return text === null ? undefined : JSON.parse(text)
  }

  async getMany(keys: readonly string[]): Promise<unknown[]> {
    const texts = await this.#client.mget([...keys])
    return texts.map((text) => (text === null ? undefined : JSON.parse(text)))
  }

  async delete(key: string): Promise<void> {
    await this.#client.del(key)
  }

  async close(): Promise<void> {
    await this.#client.quit()
  }
}
