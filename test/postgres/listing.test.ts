// Listings look at a bounded number of rows in each statement, whatever these are.

import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { Driver } from '../../src/postgres/driver.ts'
import { createNames } from '../../src/postgres/names.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { createStatements } from '../../src/postgres/statements.ts'
import { Store } from '../../src/postgres/store.ts'
import { collect } from '../collect.ts'
import { createDatabase } from '../database.ts'

const { url: connectionString } = await createDatabase()
const cache = new PostgresCache({ connectionString, local: false })
await cache.connect()
const pool = createPool({ kind: 'own', connectionString, max: 1, min: 0 }, 10_000, () => {})
const driver = new Driver(pool, { queryTimeoutMs: 60_000, prepare: true })
const store = new Store(driver, createStatements(createNames({ schema: 'postgres_cache', prefix: '' })))
afterAll(async () => {
  driver.close()
  await Promise.all([pool.close(), cache.close()])
})

const KEYS = Array.from({ length: 12 }, (_, i) => `page:${String(i).padStart(2, '0')}`)

async function listPages(tag: string | undefined, limit: number, looked: number): Promise<string[][]> {
  const pages: string[][] = []
  for (let after: string | null = ''; after !== null;) {
    const page: Awaited<ReturnType<Store['page']>> = await store.page({
      after,
      prefix: 'page:',
      tag,
      limit,
      looked,
    })
    pages.push(page.entries.map(({ key }) => key))
    after = page.after
  }
  return pages
}

describe('a listing', () => {
  it('is whole and in order wherever its pages end', async () => {
    const entries = fc.subarray(KEYS)
    await fc.assert(
      fc.asyncProperty(
        entries,
        entries,
        entries,
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 0, max: 8 }),
        async (stored, tagged, voided, limit, more) => {
          await cache.clear()
          await cache.setMany(
            stored.map((key) => ({ key, value: key, tags: tagged.includes(key) ? ['t'] : [] })),
          )
          await cache.set('pages', 'behind them')
          await cache.invalidate(voided)
          const expected = stored.filter((key) => !voided.includes(key))
          const looked = limit + more
          const pages = await listPages(undefined, limit, looked)
          expect(pages.flat()).toEqual(expected)
          expect(pages.every((page) => page.length <= limit)).toBe(true)
          const ofTag = await listPages('t', limit, looked)
          expect(ofTag.flat()).toEqual(expected.filter((key) => tagged.includes(key)))
        },
      ),
      { numRuns: 60 },
    )
  })

  it('goes past thousands of rows that are not to be shown, a part of them in each statement', async () => {
    const ROWS = 5_000
    const keys = Array.from({ length: ROWS }, (_, i) => `row:${String(i).padStart(4, '0')}`)
    await cache.setMany(keys.map((key, i) => ({ key, value: i, tags: i === ROWS - 1 ? ['rare'] : [] })))
    const scans = (): number => cache.stats().statements['scan']?.duration.count ?? 0
    const counting = async (
      list: () => AsyncIterable<string>,
    ): Promise<{ found: string[]; scans: number }> => {
      const before = scans()
      return { found: await collect(list()), scans: scans() - before }
    }
    expect(await counting(() => cache.keys({ prefix: 'row:', tag: 'rare' }))).toEqual({
      found: [keys.at(-1)],
      scans: 3,
    })
    expect((await counting(() => cache.keys({ prefix: 'row:' }))).found).toEqual(keys)
    await cache.deleteByPrefix('row:')
    await cache.set('row:4999', 'again')
    expect(await counting(() => cache.keys({ prefix: 'row:' }))).toEqual({ found: ['row:4999'], scans: 3 })
  })
})
