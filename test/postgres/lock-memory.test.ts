// Session locks share a table of the server with every other lock, and it may be full.

import { Client } from 'pg'
import { expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { HAS_OWN_SERVERS, startOwnServer } from '../own-server.ts'

const KEYS = Array.from({ length: 32 }, (_, i) => `key ${i}`)
const ROOM = 16
const HOGS_CLASS = 1

it.runIf(HAS_OWN_SERVERS)(
  'gives back what it had taken when lock memory ended in the middle of its keys',
  async () => {
    await using server = await startOwnServer({
      max_connections: '10',
      max_locks_per_transaction: '10',
      autovacuum: 'off',
    })
    await using cache = new PostgresCache({ connectionString: server.url, pool: { max: 2 } })
    expect(await cache.getOrSetMany(KEYS, (missing) => missing.map(() => 'before'))).toHaveLength(KEYS.length)
    const hog = new Client(server.url)
    await hog.connect()
    const locks = async (): Promise<number[]> => {
      const { rows } = await hog.query<{ objid: number }>(
        `select objid::integer from pg_locks where locktype = 'advisory' and classid <> ${HOGS_CLASS}`,
      )
      return rows.map(({ objid }) => objid)
    }
    await expect.poll(locks).toEqual([])
    await cache.clear()

    let taken = 0
    const takeAll = async (): Promise<never> => {
      for (;;) await hog.query(`select pg_advisory_lock(${HOGS_CLASS}, $1)`, [++taken])
    }
    await expect(takeAll()).rejects.toMatchObject({ code: '53200' })
    await hog.query(
      `select pg_advisory_unlock(${HOGS_CLASS}, i) from generate_series($1::integer - ${ROOM}, $1 - 1) as i`,
      [taken],
    )
    const loaded = await cache.getOrSetMany(KEYS, async (missing) => {
      // The claim has failed, or there would be a lock for each. Those of the signal end a moment after it has failed, too.
      expect(missing).toHaveLength(KEYS.length)
      await expect.poll(locks).toEqual([])
      return missing.map(() => 'after')
    })
    expect(loaded).toEqual(KEYS.map(() => 'after'))
    expect(await locks()).toEqual([])
    await hog.end()
  },
)
