// A write whose answer is late may be done after all, and after a later write of its key: it must not be sent again.

import { Transform } from 'node:stream'
import { Client } from 'pg'
import { expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { Latch } from '../latch.ts'
import { TcpProxy } from '../tcp-proxy.ts'

const database = await createDatabase()

/** Counts the statements that write, and keeps one back until the latch opens. */
class Delay {
  readonly latch = new Latch()
  writes = 0
  #held: number | undefined

  holdNext(): void {
    this.#held = this.writes + 2 // the next one meets the locked row
  }

  async #hold(pass: () => void): Promise<void> {
    await this.latch.opened
    pass()
  }

  readonly ear = (): Transform =>
    new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        if (!/\0postgres_cache_write_/.test(chunk.toString('latin1'))) return done(null, chunk)
        this.writes++
        if (this.writes !== this.#held) return done(null, chunk)
        void this.#hold(() => done(null, chunk))
      },
    })
}

it('beside a row that another transaction holds neither', async () => {
  const delay = new Delay()
  await using proxy = await TcpProxy.to(database.url, { fromClient: delay.ear })
  await using cache = new PostgresCache({
    connectionString: proxy.urlOf(database.url),
    local: false,
    queryTimeout: 500,
  })
  await cache.setMany([
    ['locked', 'old'],
    ['free', 'old'],
  ])
  const holder = new Client(database.url)
  await holder.connect()
  await holder.query('begin')
  await holder.query(`select from postgres_cache.entries where key = 'locked' for update`)

  delay.holdNext()
  const [free, locked] = await Promise.allSettled([cache.set('free', 'new'), cache.set('locked', 'new')])
  expect(free).toMatchObject({ status: 'rejected', reason: { code: 'timeout' } })
  expect(locked.status).toBe('rejected')
  delay.latch.open()
  await holder.query('rollback')
  await holder.end()
})
