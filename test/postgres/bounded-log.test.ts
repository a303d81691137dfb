// What invalidations leave behind: how much one costs, and what reads and syncs look at of very many.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createNames } from '../../src/postgres/names.ts'
import { createStatements } from '../../src/postgres/statements.ts'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'

const database = await createDatabase()
const { url: connectionString, query, admin } = database
const cache = new PostgresCache({ connectionString, pruneInterval: '1h' })
const other = new PostgresCache({ connectionString, pruneInterval: '1h' })
beforeAll(() => Promise.all([cache.connect(), other.connect()]))
afterAll(() => Promise.all([cache.close(), other.close()]))

interface Touches {
  readonly inserted: number
  readonly changed: number
  readonly scans: number
}

/** What `admin` has done to each table in this transaction, and lately. */
async function touches(): Promise<Record<string, Touches>> {
  const rows = await query<Touches & { table: string }>(
    `select relname as table, n_tup_ins::integer as inserted, (n_tup_upd + n_tup_del)::integer as changed,
       (seq_scan + coalesce(idx_scan, 0))::integer as scans
     from pg_stat_xact_user_tables where schemaname = 'postgres_cache'`,
  )
  return Object.fromEntries(rows.map(({ table, ...touched }) => [table, touched]))
}

describe('a tag', () => {
  it.each([1, 20_000])(
    'of %d entries is invalidated by one append, which looks at none of them',
    async (entries) => {
      const tag = `of ${entries}`
      const keys = Array.from({ length: entries }, (_, i) => `${tag}: ${i}`)
      await cache.setMany(
        keys.map((key) => [key, 1]),
        { tags: [tag] },
      )
      expect(await other.get(keys[0] as string)).toBe(1)

      await admin.query('begin')
      const before = await touches()
      await admin.query('select postgres_cache.invalidate_tags($1)', [tag])
      const after = await touches()
      await admin.query('commit')
      expect(after.entries).toEqual(before.entries)
      for (const table of ['invalidations', 'invalidators', 'feed']) {
        const { inserted = 0, changed = 0 } = before[table] ?? {}
        expect(after[table]).toMatchObject({ inserted: inserted + 1, changed })
      }

      await Promise.all([cache.sync(), other.sync()])
      for (const each of [cache, other]) {
        expect((await each.getMany(keys)).filter((value) => value !== undefined)).toEqual([])
      }
    },
  )
})

describe.each(['force_custom_plan', 'force_generic_plan'])('with %s', (mode) => {
  const statements = createStatements(createNames({ schema: 'postgres_cache', prefix: '' }))
  beforeAll(() => query(`set plan_cache_mode = ${mode}`))
  afterAll(() => query('reset plan_cache_mode'))

  async function scansOf(statement: string, types: string, given: string): Promise<string[]> {
    await query(`prepare looked_at (${types}) as ${statement}`)
    const plan = await query<{ 'QUERY PLAN': string }>(`explain execute looked_at (${given})`)
    await query('deallocate looked_at')
    return plan.map((line) => line['QUERY PLAN'].trim()).filter((line) => line.includes(' Scan '))
  }

  it.each(['before', 'after'])(
    'a sync looks up what is new in a long feed (%s it is analysed)',
    async (when) => {
      await query(
        `insert into postgres_cache.feed (txid, tags) select i::text::xid8, array['old'] from generate_series(1, 50000) as i`,
      )
      if (when === 'after') await query('analyze postgres_cache.feed')
      const scans = await scansOf(
        statements.sync.text,
        'pg_snapshot, bigint, bigint',
        'pg_current_snapshot(), 10000, 65536',
      )
      expect(scans.filter((scan) => scan.includes('feed_txid_idx'))).toHaveLength(2)
      expect(scans.filter((scan) => scan.startsWith('->  Seq Scan on feed'))).toEqual([])
    },
  )

  it.each(['before', 'after'])(
    'a read looks at one row of a hot tag (%s the log is analysed)',
    async (when) => {
      await query(
        `insert into postgres_cache.invalidations (txid, target) select i::text::xid8, 'thot' from generate_series(1, 50000) as i`,
      )
      if (when === 'after') await query('analyze postgres_cache.invalidations')
      const scans = await scansOf(statements.read.text, 'text[]', `'{a,b,c}'`)
      expect(scans.filter((scan) => scan.includes('invalidations_target_txid_idx'))).toHaveLength(3)
      expect(scans.filter((scan) => /(?:Seq|Bitmap Heap) Scan on invalidations/.test(scan))).toEqual([])
    },
  )
})
