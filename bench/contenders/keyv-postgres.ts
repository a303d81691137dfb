// Keyv over its PostgreSQL adapter, with an unlogged table as postgres-cache has. One statement per call; all its
// clients in a process share one pool, of ten connections as it comes.

import { KeyvPostgres } from '@keyv/postgres'
import { Keyv } from 'keyv'
import { type Address, type Contender, packageVersion, type Versions } from '../contender.ts'
import { postgresVersion } from './postgres-cache.ts'

let sharedBy = 0

export function createKeyvPostgres(address: Address): Contender {
  return new KeyvPostgresContender(address)
}

class KeyvPostgresContender implements Contender {
  readonly name = 'keyv-postgres'
  readonly #url: string
  readonly #keyv: Keyv

  constructor({ url, schema }: Address) {
    this.#url = url
    const store = new KeyvPostgres({ uri: url, schema, table: 'keyv', useUnloggedTable: true })
    this.#keyv = new Keyv({ store, throwOnErrors: true })
    sharedBy += 1
  }

  async connect(): Promise<void> {
    await this.#keyv.get('connected')
  }

  async versions(): Promise<Versions> {
    return { client: packageVersion('@keyv/postgres'), server: await postgresVersion(this.#url) }
  }

  async set(key: string, value: unknown, ttlMs: number): Promise<void> {
    await this.#keyv.set(key, value, ttlMs)
  }

  get(key: string): Promise<unknown> {
    return this.#keyv.get(key)
  }

  getMany(keys: readonly string[]): Promise<unknown[]> {
    return this.#keyv.getMany([...keys])
  }

  async delete(key: string): Promise<void> {
    await this.#keyv.delete(key)
  }

  async close(): Promise<void> {
    sharedBy -= 1
    if (sharedBy === 0) await this.#keyv.disconnect()
  }
}
