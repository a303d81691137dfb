// When statements are planned, and that nothing for it is left on connections of others.

import { Transform } from 'node:stream'
import { Pool } from 'pg'
import { describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { Driver, type Statement } from '../../src/postgres/driver.ts'
import { createNames } from '../../src/postgres/names.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { Session } from '../../src/postgres/session.ts'
import { createStatements } from '../../src/postgres/statements.ts'
import { createDatabase } from '../database.ts'
import { Latch } from '../latch.ts'
import { TcpProxy } from '../tcp-proxy.ts'

const TIMEOUT_MS = 10_000
const NO_BOUNDS = { min: 0, max: 1 }

const database = await createDatabase()
await database.install()
const statements = createStatements(createNames({ schema: 'postgres_cache', prefix: '' }))

const SETTING: Statement = { name: '', text: `select current_setting('plan_cache_mode')` }
const PLANS: Statement = {
  name: '',
  text: `select generic_plans::text, custom_plans::text from pg_prepared_statements where name like 'postgres_cache_glance%'`,
}

describe('a connection', () => {
  it('of a pool of ours plans a read once', async () => {
    const source = { kind: 'own', connectionString: database.url, ...NO_BOUNDS } as const
    const pool = createPool(source, TIMEOUT_MS, () => {})
    const driver = new Driver(pool, { queryTimeoutMs: TIMEOUT_MS, prepare: true })
    try {
      for (let i = 0; i < 3; i++) await driver.query(statements.glance, ['{key}'])
      expect(await driver.query(PLANS)).toEqual([['3', '0']])
    } finally {
      driver.close()
      await pool.close()
    }
  })

  it('of a session plans its statements once', async () => {
    const session = new Session({
      address: { connectionString: database.url },
      hasOwnAddress: false,
      channel: 'plans',
      cacheAddress: 'plans.',
      timeoutMs: TIMEOUT_MS,
      listener: { hinted: () => {}, restored: () => {}, lost: () => {}, deafened: () => {} },
      notify: () => expect.fail('no pooler is there'),
    })
    try {
      expect(await session.start()).toBe('live')
      expect(await session.query(SETTING)).toEqual([['force_generic_plan']])
    } finally {
      await session.close()
    }
  })

  it.each(['is given back late', 'breaks'])(
    'that takes too long to be told, and then %s, is missed by nobody',
    async (end) => {
      const asked = new Latch()
      let release: (() => void) | undefined
      const holding = (): Transform =>
        new Transform({
          transform: (chunk: Buffer, _, done) => {
            const isHeld = release === undefined && chunk.includes('pg_backend_pid')
            if (!isHeld) return done(null, chunk)
            release = () => done(null, chunk)
            asked.open()
          },
        })
      await using proxy = await TcpProxy.to(database.url, { fromClient: holding })
      const source = { kind: 'own', connectionString: proxy.urlOf(database.url), ...NO_BOUNDS } as const
      const pool = createPool(source, TIMEOUT_MS, () => {})
      const driver = new Driver(pool, { queryTimeoutMs: end === 'breaks' ? TIMEOUT_MS : 300, prepare: true })
      try {
        const first = driver.query(SETTING)
        await asked.opened
        if (end === 'breaks') proxy.cut()
        await expect(first).rejects.toThrow(end === 'breaks' ? /terminated/ : /no connection within 300 ms/)
        if (end !== 'breaks') release?.()
        expect(await driver.query(SETTING)).toEqual([['force_generic_plan']])
      } finally {
        driver.close()
        await pool.close()
      }
    },
  )

  it('of a pool that was given is left as it was', async () => {
    const given = new Pool({ connectionString: database.url, max: 1 })
    try {
      await using cache = new PostgresCache({ pool: given, sessionConnectionString: database.url })
      await cache.connect()
      await cache.set('key', 1)
      expect(await cache.get('key', { fresh: true })).toBe(1)
      expect((await given.query(SETTING.text)).rows).toEqual([{ current_setting: 'auto' }])
    } finally {
      await given.end()
    }
  })
})

describe('a page of a listing', () => {
  it.each(['user:', 'it’s \\ "', ''])('ends with the prefix %j in a plan that is kept', async (prefix) => {
    const { admin } = database
    await admin.query('begin; set local plan_cache_mode = force_generic_plan; set local enable_seqscan = off')
    await admin.query(`prepare page (text, bigint, bigint) as ${statements.page(prefix, false).text}`)
    const { rows } = await admin.query<{ 'QUERY PLAN': string }>(`explain execute page ('', 10, 100)`)
    await admin.query('rollback; deallocate page')
    const condition = rows.map((row) => row['QUERY PLAN']).find((line) => /Index Cond: .*key > /.test(line))
    expect(condition).toMatch(prefix === '' ? /key >/ : /key < /)
  })
})
