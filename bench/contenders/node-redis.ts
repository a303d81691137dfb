// node-redis as it comes: it writes the commands of one tick together by itself.

import { createClient } from '@redis/client'
import { type Address, type Contender, packageVersion, type Versions } from '../contender.ts'
import { serverOf } from '../servers/valkey-version.ts'

export function createNodeRedis({ url }: Address): Contender {
  return new NodeRedis('node-redis', createClient({ url }))
}

/** The part of a node-redis client that is used, whatever protocol it speaks. */
export interface NodeRedisClient {
  connect(): Promise<unknown>
  info(section: string): Promise<unknown>
  set(key: string, text: string, options: { expiration: { type: 'PX'; value: number } }): Promise<unknown>
  get(key: string): Promise<unknown>
  mGet(keys: string[]): Promise<unknown[]>
  del(key: string): Promise<unknown>
  close(): Promise<unknown>
}

export class NodeRedis implements Contender {
  readonly name: string
  readonly #client: NodeRedisClient

  constructor(name: string, client: NodeRedisClient) {
    this.name = name
    this.#client = client
  }

  async connect(): Promise<void> {
    await this.#client.connect()
  }

  async versions(): Promise<Versions> {
    return {
      client: packageVersion('@redis/client'),
      server: serverOf(String(await this.#client.info('server'))),
    }
  }

  async set(key: string, value: unknown, ttlMs: number): Promise<void> {
    await this.#client.set(key, JSON.stringify(value), { expiration: { type: 'PX', value: ttlMs } })
  }

  async get(key: string): Promise<unknown> {
    const text = await this.#client.get(key)
    return typeof text === 'string' ? JSON.parse(text) : undefined
  }

  async getMany(keys: readonly string[]): Promise<unknown[]> {
    const texts = await this.#client.mGet([...keys])
    return texts.map((text) => (typeof text === 'string' ? JSON.parse(text) : undefined))
  }

  async delete(key: string): Promise<void> {
    await this.#client.del(key)
  }

  async close(): Promise<void> {
    await this.#client.close()
  }
}
