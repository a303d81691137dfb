// Counts what is notified on a channel, by whichever program.

import { randomUUID } from 'node:crypto'
import type { Client } from 'pg'

export class Ear {
  readonly #client: Client
  readonly #channel: string
  readonly #heard: string[] = []
  #barrier: { payload: string; reached: () => void } | undefined

  private constructor(client: Client, channel: string) {
    this.#client = client
    this.#channel = channel
    client.on('notification', ({ payload = '' }) => {
      if (payload === this.#barrier?.payload) this.#barrier.reached()
      // A session's question whether it hears itself is not a hint.
      else if (!payload.includes('"n":')) this.#heard.push(payload)
    })
  }

  static async listen(client: Client, channel = 'cache_events'): Promise<Ear> {
    await client.query(`listen ${channel}`)
    return new Ear(client, channel)
  }

  /** The payloads committed since the last call, and before this one: notifications arrive in the order of commits. */
  async hear(): Promise<string[]> {
    const payload = randomUUID()
    const reached = new Promise<void>((resolve) => {
      this.#barrier = { payload, reached: resolve }
    })
    await this.#client.query('select pg_notify($1, $2)', [this.#channel, payload])
    await reached
    return this.#heard.splice(0)
  }
}
