// What becomes of very many invalidations. In a database without other entries: the log's bound grows with their number.

import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'

const { url: connectionString, query } = await createDatabase()
const cache = new PostgresCache({ connectionString, pruneInterval: '1h' })
const other = new PostgresCache({ connectionString, pruneInterval: '1h' })
beforeAll(() => Promise.all([cache.connect(), other.connect()]))
afterAll(() => Promise.all([cache.close(), other.close()]))

async function count(table: 'invalidations' | 'invalidators' | 'feed'): Promise<number> {
  const [row] = await query<{ count: number }>(
    `select count(*)::integer as count from postgres_cache.${table}`,
  )
  return row?.count ?? 0
}

describe('while a tag is invalidated all the time, and a transaction that has written is left open,', () => {
  const ROUNDS = 30
  const APPENDED_PER_ROUND = 40
  const MAX_INVALIDATIONS = 100
  const leftOpen = new Client(connectionString)
  beforeAll(() => leftOpen.connect())
  afterAll(() => leftOpen.end())

  /** As the sweeper does, but without waiting for loads and for processes that sync late. */
  async function sweep(): Promise<void> {
    await query('select postgres_cache.begin_sweep(0, 0, 0)')
    await query('select postgres_cache.begin_trim($1)', [MAX_INVALIDATIONS])
    for (let wrapped = false; !wrapped;) {
      const [row] = await query<{ wrapped: boolean }>(
        'select wrapped from postgres_cache.sweep_blocks(1000000, 1000)',
      )
      wrapped = row?.wrapped ?? true
    }
    await query('select postgres_cache.end_trim(0)')
    await query(`select postgres_cache.forget_changes('0', 1000), postgres_cache.forget_invalidations(1000)`)
  }

  it('log and feed stay bounded, and valid entries valid', async () => {
    await cache.setMany(
      [
        ['hot', 1],
        ['calm', 1],
      ].map(([key, value]) => ({ key: key as string, value, tags: [`${key} tag`], ttl: null })),
    )
    await leftOpen.query('begin')
    await leftOpen.query(`select postgres_cache.invalidate_tags('left open')`)

    const most = { invalidations: 0, invalidators: 0, feed: 0 }
    for (let round = 0; round < ROUNDS; round++) {
      for (let i = 0; i < APPENDED_PER_ROUND; i++)
        await query(`select postgres_cache.invalidate_tags('hot tag')`)
      for (const table of ['invalidations', 'invalidators', 'feed'] as const)
        most[table] = Math.max(most[table], await count(table))
      await sweep()
    }
    // A trim begins one round after the bound is reached, at most, and ends two rounds later. The feed moves its floor, and then forgets.
    expect(most.invalidations).toBeLessThanOrEqual(MAX_INVALIDATIONS + 4 * APPENDED_PER_ROUND)
    expect(most.invalidators).toBeLessThanOrEqual(MAX_INVALIDATIONS + 4 * APPENDED_PER_ROUND)
    expect(most.feed).toBeLessThanOrEqual(5 * APPENDED_PER_ROUND)
    expect(await other.get('hot', { fresh: true })).toBeUndefined()
    expect(await other.get('calm', { fresh: true })).toBe(1)

    await cache.set('late', 1, { tags: ['left open'] })
    await leftOpen.query('commit')
    expect(await other.get('late', { fresh: true })).toBeUndefined()
  })

  it('what a trim has made superfluous is forgotten a part at a time', async () => {
    await cache.set('kept', 1, { tags: ['cold tag'], ttl: null })
    for (let i = 0; i < 25; i++) await query(`select postgres_cache.invalidate_tags('cold tag')`)
    // The first ends the one that may be under way.
    for (let trim = 0; trim < 2; trim++) {
      await query('select postgres_cache.begin_trim(0)')
      for (let round = 0; round < 2; round++) await query('select postgres_cache.sweep_blocks(1000000, 1000)')
      await query('select postgres_cache.end_trim(0)')
    }
    for (let i = 0; i < 2; i++) await query('select postgres_cache.begin_sweep(0, 0, 0)')

    const left: number[] = []
    for (let more = true; more;) {
      const [row] = await query<{ more: boolean }>('select postgres_cache.forget_invalidations(10) as more')
      more = row?.more === true
      left.push(await count('invalidations'))
      expect(await other.get('kept', { fresh: true })).toBeUndefined()
    }
    expect(left.length).toBeGreaterThanOrEqual(3)
    expect(left.at(-1)).toBe(0)

    const changes = [await count('feed')]
    for (let from: string | null = '0'; from !== null;) {
      const [row]: { next: string | null }[] = await query(
        'select postgres_cache.forget_changes($1, 10) as next',
        [from],
      )
      from = row?.next ?? null
      changes.push(await count('feed'))
    }
    expect(changes.slice(1)).toEqual(
      changes.slice(1).map((_, i) => Math.max((changes[0] as number) - 10 * (i + 1), 0)),
    )
    expect(changes.length).toBeGreaterThanOrEqual(4)
    expect([await count('feed'), await count('invalidators')]).toEqual([0, 1])
  })
})
