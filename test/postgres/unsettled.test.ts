// A server that was started anew, and nobody has asked since: no entry is valid until a sync has settled the world, and none may be taken for void.

import { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { pruneStore } from '../../src/schema.ts'
import { HAS_OWN_SERVERS, startOwnServer } from '../own-server.ts'

const KEYS = Array.from({ length: 50 }, (_, i) => `kept ${i}`)

describe.skipIf(!HAS_OWN_SERVERS)('after a restart of the server', () => {
  it('neither sweep nor prune takes entries for void that nobody has judged yet', async () => {
    await using server = await startOwnServer()
    const options = { connectionString: server.url, ttl: null }
    {
      await using cache = new PostgresCache(options)
      await cache.setMany(KEYS.map((key) => [key, 1]))
      await cache.set('expired', 1, { ttl: 1 })
    }
    const runs = async (sql: string): Promise<unknown[]> => {
      const client = new Client(server.url)
      await client.connect()
      try {
        return (await client.query<{ is: unknown }>(sql)).rows.map(({ is }) => is)
      } finally {
        await client.end()
      }
    }
    // As fences are once all of this is minutes old.
    await runs(
      'update postgres_cache.state set removal_fence = pg_current_snapshot(), load_fence = pg_current_snapshot()',
    )
    await server.shutdown()
    await server.start()

    expect(await runs('select postgres_cache.begin_sweep(0, 0, 0) as is')).toEqual([false])
    expect(await runs('select removed as is from postgres_cache.sweep_blocks(1000, 1000)')).toEqual(['0'])
    expect(await runs('select removed as is from postgres_cache.prune_blocks(0, 1000, 1000)')).toEqual(['0'])
    expect(await runs('select count(*) as is from postgres_cache.entries')).toEqual([String(KEYS.length + 1)])
    // These settle it first.
    expect(await runs('select postgres_cache.prune() as is')).toEqual(['1'])
    await runs(`select postgres_cache.set('expired', '1', '1 ms') as is`)
    await server.shutdown()
    await server.start()
    expect(await pruneStore(options)).toBe(1)
    await using cache = new PostgresCache(options)
    expect(await cache.getMany(KEYS)).toEqual(KEYS.map(() => 1))
  })
})
