import { readFileSync } from 'node:fs'
import { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { majorFromEnvironment } from '../../scripts/database-url.ts'
import type { Finding, Verdict } from '../../src/cli/diagnosis.ts'
import { examine } from '../../src/examination.ts'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase, type TestDatabase } from '../database.ts'
import { heldBack } from '../held-back.ts'
import { createRole } from '../limited-role.ts'
import { HAS_OWN_SERVERS, startOwnServer } from '../own-server.ts'
import { runCommand } from '../run-command.ts'
import { TcpProxy } from '../tcp-proxy.ts'

interface Diagnosis {
  readonly code: number
  readonly of: (matter: string) => Finding | undefined
  readonly verdicts: ReadonlySet<Verdict>
}

async function diagnose(url: string, ...args: readonly string[]): Promise<Diagnosis> {
  const { code, stdout, stderr } = await runCommand({ DATABASE_URL: url }, 'doctor', '--json', ...args)
  if (stdout === '') throw new Error(stderr)
  const findings = JSON.parse(stdout) as Finding[]
  return {
    code,
    of: (matter) => findings.find((finding) => finding.matter === matter),
    verdicts: new Set(findings.map(({ verdict }) => verdict)),
  }
}

const LATENCY_MS = 60

async function installed(): Promise<TestDatabase> {
  const database = await createDatabase()
  await database.install()
  return database
}

describe('doctor', () => {
  it('finds nothing where all is well, says so for people too, and ends with 0', async () => {
    const database = await installed()
    await using cache = new PostgresCache({ connectionString: database.url })
    await cache.set('key', 'value')
    const { code, verdicts, of } = await diagnose(database.url)
    expect([code, [...verdicts]]).toEqual([0, ['good']])
    expect(of('session')?.text).toContain('direct')
    expect(of('size')?.text).toContain('1 entry')
    const { stdout } = await runCommand({ DATABASE_URL: database.url }, 'doctor')
    expect(stdout).toMatch(/^good +server +PostgreSQL \d+/)
    expect(stdout).toMatch(/\n0 problems, 0 warnings\n$/)
  })

  it('changes nothing, and says how to begin where nothing is installed', async () => {
    const database = await createDatabase({ isInstalled: false })
    const { code, of } = await diagnose(database.ownerUrl)
    expect(code).toBe(0)
    expect(of('schema')).toMatchObject({
      verdict: 'warning',
      advice: expect.stringContaining('postgres-cache migrate'),
    })
    expect(await PostgresCache.schemaVersion({ connectionString: database.ownerUrl })).toBe(0)
  })

  it('names the rights that a role lacks', async () => {
    const database = await installed()
    await using role = await createRole(database, { isOwner: false })
    expect(await diagnose(role.url)).toMatchObject({ code: 1 })
    await database.query(`grant usage on schema postgres_cache to "${role.name}"`)
    await database.query(
      `grant select, insert, update on all tables in schema postgres_cache to "${role.name}"`,
    )
    await database.query(`grant usage on all sequences in schema postgres_cache to "${role.name}"`)
    const { code, of } = await diagnose(role.url)
    expect(code).toBe(1)
    expect(of('rights')).toMatchObject({
      verdict: 'problem',
      text: expect.stringContaining('delete on entries'),
    })
    expect(of('rights')?.text).not.toContain('select')
    await database.query(`grant delete on all tables in schema postgres_cache to "${role.name}"`)
    await database.query(`grant execute on function postgres_cache.watched() to "${role.name}"`)
    expect(await diagnose(role.url)).toMatchObject({ code: 0 })
  })

  it('says that a role which may not install cannot begin', async () => {
    const database = await createDatabase()
    await using role = await createRole(database, { isOwner: false })
    const { code, of } = await diagnose(role.url, '--prefix', 'foo_')
    expect(code).toBe(1)
    expect(of('schema')).toMatchObject({
      verdict: 'problem',
      advice: expect.stringContaining('`npx postgres-cache migrate --prefix foo_`'),
    })
  })

  it('shows the code of what cannot be used, and where to look it up', async () => {
    const database = await installed()
    await using role = await createRole(database, { isOwner: false })
    const { of } = await diagnose(role.url)
    const { repository } = JSON.parse(readFileSync('package.json', 'utf8')) as { repository: { url: string } }
    const home = repository.url.replace(/^git\+|\.git$/g, '')
    expect(of('schema')).toMatchObject({
      text: expect.stringMatching(/ \[permission-denied\]$/),
      advice: `look up permission-denied at ${home}/blob/main/docs/operations.md#error-codes`,
    })
  })

  it('sees settings that hurt', async () => {
    const database = await installed()
    await using role = await createRole(database)
    await role.alter(`set default_transaction_isolation = 'serializable'`)
    await role.alter(`set idle_session_timeout = '5min'`)
    const harmed = await diagnose(role.url)
    expect(harmed.code).toBe(0)
    expect(harmed.of('isolation')).toMatchObject({ verdict: 'warning' })
    expect(harmed.of('idle sessions')).toMatchObject({
      verdict: 'warning',
      text: expect.stringContaining('5 min'),
    })
    await role.alter('set default_transaction_read_only = on')
    const refused = await diagnose(role.url)
    expect(refused.code).toBe(1)
    expect(refused.of('server')).toMatchObject({
      verdict: 'problem',
      text: expect.stringContaining('read-only'),
    })
  })

  it('sees that no connection is left for the session', async () => {
    const database = await installed()
    await using role = await createRole(database, { attributes: 'connection limit 1' })
    const { code, of } = await diagnose(role.url)
    expect(code).toBe(1)
    expect(of('session')).toMatchObject({ verdict: 'problem' })
  })

  it('times one round trip, and reads the clock in it, however long the rest takes', async () => {
    const database = await installed()
    await using proxy = await TcpProxy.to(database.url, { fromServer: () => heldBack(() => LATENCY_MS) })
    const { roundTripMs, clockAheadMs } = await examine({ connectionString: proxy.urlOf(database.url) })
    expect(roundTripMs).toBeGreaterThan(LATENCY_MS - 1)
    expect(roundTripMs).toBeLessThan(2 * LATENCY_MS)
    expect(Math.abs(clockAheadMs)).toBeLessThan(LATENCY_MS)
  })

  it('that cannot connect fails like every command', async () => {
    const outcome = await runCommand({ DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' }, 'doctor')
    expect(outcome).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('[unavailable]') })
  })
})

describe.skipIf(!HAS_OWN_SERVERS)('doctor on a server with everything wrong', () => {
  it('finds all of it', async () => {
    const hasQueueSetting = majorFromEnvironment() >= 17
    await using server = await startOwnServer({
      autovacuum: 'off',
      max_connections: '12',
      max_locks_per_transaction: '10',
      max_prepared_transactions: '2',
      ...(hasQueueSetting ? { max_notify_queue_pages: '64' } : {}),
    })
    await PostgresCache.migrate({ connectionString: server.url, durability: 'logged' })
    const clients = await Promise.all(
      Array.from({ length: 3 }, async () => {
        const client = new Client(server.url)
        client.on('error', () => {}) // where the server ends first
        await client.connect()
        return client
      }),
    )
    const [listener, notifier, holder] = clients as [Client, Client, Client]
    await holder.query(`begin; create table pending (); prepare transaction 'pending'`)
    await listener.query('listen elsewhere')
    await listener.query('begin')
    if (hasQueueSetting)
      for (let i = 0; i < 8; i++)
        await notifier.query(
          `select pg_notify('elsewhere', i || repeat('x', 7900)) from generate_series(1, 4) as i`,
        )
    const { code, of } = await diagnose(server.url)
    expect(code).toBe(1)
    expect(of('vacuum')).toMatchObject({ verdict: 'problem' })
    expect(of('durability')).toMatchObject({ verdict: 'problem', text: expect.stringContaining('fsync') })
    expect(of('transactions')).toMatchObject({
      verdict: 'warning',
      text: expect.stringContaining('1 prepared'),
    })
    expect(of('world')).toMatchObject({ verdict: 'problem', text: expect.stringContaining('none can begin') })
    expect(of('connections')).toMatchObject({ verdict: 'warning' })
    expect(of('notifications')?.verdict).toBe(hasQueueSetting ? 'problem' : 'good')
    await holder.query(`rollback prepared 'pending'`)
    expect((await diagnose(server.url)).of('transactions')?.text).toContain('max_prepared_transactions')
    await Promise.all(clients.map((client) => client.end()))
  })
})
