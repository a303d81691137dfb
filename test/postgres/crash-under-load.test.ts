// The server is killed while clients change, load and read. What was acknowledged before stays in force, in the caches that were there and in new ones.

import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Pool, type PoolClient } from 'pg'
import { describe, expect, it } from 'vitest'
import { type CacheOptions, PostgresCache } from '../../src/index.ts'
import { HAS_OWN_SERVERS, startOwnServer } from '../own-server.ts'

const CRASHES = 3
const REGISTERS = 16
const SOURCED = 24
const LOAD_MS = [200, 1_000] as const

const sourcedKeys = Array.from({ length: SOURCED }, (_, i) => `sourced:${i}`)
const drawSourced = (): string => sourcedKeys[randomInt(SOURCED)] as string

/** A key without a source, changed by one worker only: every change makes all lower versions wrong. */
class Register {
  readonly key: string
  /** Anything below is wrong. */
  acknowledged = 0
  #version = 0

  constructor(key: string) {
    this.key = key
  }

  async change(cache: PostgresCache): Promise<void> {
    const { key } = this
    const version = ++this.#version
    const tags = [key]
    const way = randomInt(5)
    if (way === 0) await cache.delete(key)
    else if (way === 1) await cache.invalidateTags(tags)
    else if (way === 2) await cache.getOrSet(key, () => version, { tags })
    else await cache.set(key, version, { tags })
    // What is loaded over a value that is still there changes nothing.
    if (way !== 2) this.acknowledged = version
  }
}

/** Rows that are changed in transactions, and what is cached of them. */
class Source {
  readonly #pool: Pool

  constructor(pool: Pool) {
    this.#pool = pool
  }

  async create(): Promise<void> {
    await this.#pool.query('create table source (key text primary key, version integer not null)')
    await this.#pool.query('insert into source select unnest($1::text[]), 0', [sourcedKeys])
  }

  async read(key: string): Promise<number> {
    const { rows } = await this.#pool.query<{ version: number }>(
      'select version from source where key = $1',
      [key],
    )
    return rows[0]?.version ?? Number.NaN
  }

  async readAll(): Promise<Map<string, number>> {
    const { rows } = await this.#pool.query<{ key: string; version: number }>(
      'select key, version from source',
    )
    return new Map(rows.map(({ key, version }) => [key, version]))
  }

  async change(cache: PostgresCache): Promise<void> {
    const tx = await this.#pool.connect()
    try {
      await this.#changeIn(tx, cache)
      tx.release()
    } catch (error) {
      tx.release(true)
      throw error
    }
  }

  async #changeIn(tx: PoolClient, cache: PostgresCache): Promise<void> {
    const key = drawSourced()
    await tx.query('begin')
    const cached = await cache.withTransaction(tx)
    const { rows } = await tx.query<{ version: number }>(
      'update source set version = version + 1 where key = $1 returning version',
      [key],
    )
    if (randomInt(2) === 0) await cached.invalidate(key)
    else await cached.set(key, rows[0]?.version)
    await tx.query('commit')
  }
}

function ignore(): void {}

/** Until the server is gone. */
async function untilItFails(work: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await work()
    } catch {
      return
    }
  }
}

describe.skipIf(!HAS_OWN_SERVERS)('a server that is killed again and again under load', () => {
  it.each(['unlogged', 'logged'] as const)(
    'brings back nothing that was overwritten or invalidated (%s)',
    { timeout: 120_000 },
    async (durability) => {
      await using server = await startOwnServer()
      const options: CacheOptions = { connectionString: server.url, durability }
      const pool = new Pool({ connectionString: server.url, max: 8 }).on('error', ignore)
      pool.on('connect', (client) => client.on('error', ignore))
      const source = new Source(pool)
      await source.create()
      await using listening = new PostgresCache(options)
      await using polling = new PostgresCache({ ...options, notifications: 'poll' })
      const caches = [listening, polling]
      await listening.connect()
      const registers = Array.from({ length: REGISTERS }, (_, i) => new Register(`register:${i}`))

      let kept = 0
      for (let crash = 0; crash < CRASHES; crash++) {
        const workers = caches.flatMap((cache, i) => [
          ...registers
            .filter((_, register) => register % caches.length === i)
            .map((register) => untilItFails(() => register.change(cache))),
          untilItFails(() => source.change(cache)),
          untilItFails(() => source.change(cache)),
          untilItFails(async () => {
            const key = drawSourced()
            return cache.getOrSet(key, () => source.read(key))
          }),
        ])
        await delay(randomInt(...LOAD_MS))
        await server.kill()
        await Promise.all(workers)
        await server.start()

        await using later = new PostgresCache(options)
        await expect.poll(() => later.connect().then(() => 'connected', String)).toBe('connected')
        const truth = await source.readAll()
        for (const cache of [later, ...caches]) {
          await expect
            .poll(() => cache.sync().then(() => 'synced', String), { timeout: 20_000 })
            .toBe('synced')
          for (const { key, acknowledged } of registers)
            expect((await cache.get<number>(key)) ?? Infinity).toBeGreaterThanOrEqual(acknowledged)
          for (const key of sourcedKeys) {
            const found = await cache.get<number>(key)
            if (found !== undefined) expect(`${key} ${found}`).toBe(`${key} ${truth.get(key)}`)
            kept += found === undefined ? 0 : 1
          }
        }
      }
      if (durability === 'logged') expect(kept).toBeGreaterThan(0)
      else expect(kept).toBe(0)
      await pool.end()
    },
  )
})
