// The contenders of the benchmark that need PostgreSQL alone, under the check that each must pass before it is timed.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Contender, SCHEMA } from '../../bench/contender.ts'
import { CONTENDER_NAMES, infoOf } from '../../bench/contenders.ts'
import { checkCorrectness } from '../../bench/correctness.ts'
import { createDatabase, type TestDatabase } from '../database.ts'

/** Correct in one process, but for what a test breaks. */
class MapContender implements Contender {
  readonly name = 'a map'
  protected readonly entries = new Map<string, { readonly text: string; readonly expiresAt: number }>()

  async connect(): Promise<void> {}

  async versions(): Promise<{ client: string; server: string }> {
    return { client: 'map', server: 'none' }
  }

  async set(key: string, value: unknown, ttlMs: number): Promise<void> {
    this.entries.set(key, { text: JSON.stringify(value), expiresAt: performance.now() + ttlMs })
  }

  async get(key: string): Promise<unknown> {
    const entry = this.entries.get(key)
    return entry && entry.expiresAt > performance.now() ? JSON.parse(entry.text) : undefined
  }

  async delete(key: string): Promise<void> {
    this.entries.delete(key)
  }

  async close(): Promise<void> {}
}

const check = (contender: Contender, ...others: Contender[]): Promise<unknown> =>
  checkCorrectness([contender, ...others], null)

describe('the contenders on PostgreSQL', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createDatabase({ isInstalled: false })
  })
  const opened: Contender[] = []
  afterAll(async () => {
    await Promise.all(opened.map((contender) => contender.close()))
  })

  it.each(CONTENDER_NAMES.filter((name) => infoOf(name).server === 'postgres'))(
    '%s passes the check of correctness',
    async (name) => {
      const create = await infoOf(name).load()
      const clients = [1, 2].map(() => create({ url: database.ownerUrl, schema: SCHEMA }))
      opened.push(...clients)
      for (const client of clients) await client.connect()

      const { client, server } = await checkCorrectness(clients, null)

      expect(client).toMatch(/\d+\.\d+\.\d+/)
      expect(server).toMatch(/^PostgreSQL \d+/)
      expect(clients.map((each) => each.name)).toEqual([name, name])
    },
  )
})

describe('the check of correctness', () => {
  it('lets a correct contender pass', async () => {
    await expect(check(new MapContender())).resolves.toEqual({ client: 'map', server: 'none' })
  })

  it('refuses one whose values its callers share', async () => {
    class Sharing extends MapContender {
      readonly #shared = new Map<string, unknown>()
      override async set(key: string, value: unknown): Promise<void> {
        this.#shared.set(key, structuredClone(value))
      }
      override async get(key: string): Promise<unknown> {
        return this.#shared.get(key)
      }
    }
    await expect(check(new Sharing())).rejects.toThrow('after a caller changed its copy')
  })

  it('refuses one that forgets to expire', async () => {
    class Immortal extends MapContender {
      override set(key: string, value: unknown): Promise<void> {
        return super.set(key, value, Infinity)
      }
    }
    await expect(check(new Immortal())).rejects.toThrow('a miss after the ttl did not come')
  })

  it('refuses one whose delete does nothing', async () => {
    class Hoarding extends MapContender {
      override async delete(): Promise<void> {}
    }
    await expect(check(new Hoarding())).rejects.toThrow('a key that was deleted')
  })

  it('refuses one whose clients do not see what others write', async () => {
    await expect(check(new MapContender(), new MapContender())).rejects.toThrow('that another client set')
  })
})
