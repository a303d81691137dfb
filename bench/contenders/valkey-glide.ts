// The official client of Valkey: a core in Rust that talks to the server, and a Node front.

import { GlideClient, InfoOptions, TimeUnit } from '@valkey/valkey-glide'
import { type Address, type Contender, packageVersion, type Versions } from '../contender.ts'
import { serverOf } from '../servers/valkey-version.ts'

// Its default of 1,000 refuses the 1,024 callers of a scenario.
const INFLIGHT_REQUESTS = 8_192

export function createValkeyGlide({ url }: Address): Contender {
  return new ValkeyGlide(url)
}

class ValkeyGlide implements Contender {
  readonly name = 'valkey-glide'
  readonly #url: URL
  #connected: GlideClient | undefined

  constructor(url: string) {
    this.#url = new URL(url)
  }

  get #client(): GlideClient {
    if (!this.#connected) throw new Error('valkey-glide is not connected')
    return this.#connected
  }

  async connect(): Promise<void> {
    const { hostname, port, username, password, protocol } = this.#url
    this.#connected = await GlideClient.createClient({
      addresses: [{ host: hostname, port: Number(port || 6379) }],
      useTLS: protocol === 'rediss:',
      requestTimeout: 5_000,
      inflightRequestsLimit: INFLIGHT_REQUESTS,
      ...(password && { credentials: { ...(username && { username }), password } }),
    })
  }

  async versions(): Promise<Versions> {
    return {
      client: packageVersion('@valkey/valkey-glide'),
      server: serverOf(await this.#client.info([InfoOptions.Server])),
    }
  }

  async set(key: string, value: unknown, ttlMs: number): Promise<void> {
    await this.#client.set(key, JSON.stringify(value), {
      expiry: { type: TimeUnit.Milliseconds, count: ttlMs },
    })
  }

  async get(key: string): Promise<unknown> {
    const text = await this.#client.get(key)
    return text === null ? undefined : JSON.parse(String(text))
  }

  async getMany(keys: readonly string[]): Promise<unknown[]> {
    const texts = await this.#client.mget([...keys])
    return texts.map((text) => (text === null ? undefined : JSON.parse(String(text))))
  }

  async delete(key: string): Promise<void> {
    await this.#client.del([key])
  }

  async close(): Promise<void> {
    this.#client.close()
  }
}
