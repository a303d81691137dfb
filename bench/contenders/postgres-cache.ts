// postgres-cache as it comes: all options at their defaults, but for schema and channel.

import { type CacheOptions, PostgresCache } from 'postgres-cache'
import { type Address, type Contender, ownVersion, packageVersion, type Versions } from '../contender.ts'
import { withPostgres } from '../servers/with-postgres.ts'

export function createPostgresCache(address: Address): Contender {
  return new PostgresCacheContender('postgres-cache', address)
}

export class PostgresCacheContender implements Contender {
  readonly name: string
  readonly #url: string
  readonly #cache: PostgresCache
  #failure: Error | undefined

  constructor(name: string, { url, schema }: Address, options: CacheOptions = {}) {
    this.name = name
    this.#url = url
    this.#cache = new PostgresCache({ connectionString: url, schema, notifyChannel: schema, ...options })
    this.#cache.on('error', ({ error }) => {
      this.#failure ??= error
    })
  }

  failure(): Error | undefined {
    return this.#failure
  }

  connect(): Promise<void> {
    return this.#cache.connect()
  }

  async versions(): Promise<Versions> {
    return { client: `${ownVersion()} on ${packageVersion('pg')}`, server: await postgresVersion(this.#url) }
  }

  set(key: string, value: unknown, ttlMs: number): Promise<void> {
    return this.#cache.set(key, value, { ttl: ttlMs })
  }

  get(key: string): Promise<unknown> {
    return this.#cache.get(key)
  }

  getMany(keys: readonly string[]): Promise<unknown[]> {
    return this.#cache.getMany(keys)
  }

  async delete(key: string): Promise<void> {
    await this.#cache.delete(key)
  }

  getOrSet(key: string, loader: () => Promise<unknown>, ttlMs: number): Promise<unknown> {
    return this.#cache.getOrSet(key, loader, { ttl: ttlMs })
  }

  onEvicted(listener: (key: string) => void): void {
    this.#cache.on('evicted', ({ key, reason }) => {
      if (reason === 'changed') listener(key)
    })
  }

  localBytes(): number {
    return this.#cache.stats().local.bytes
  }

  close(): Promise<void> {
    return this.#cache.close()
  }
}

export async function postgresVersion(url: string): Promise<string> {
  const { rows } = await withPostgres(url, (client) =>
    client.query<{ server_version: string }>('show server_version'),
  )
  return `PostgreSQL ${rows[0]?.server_version}`
}
