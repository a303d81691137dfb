import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { Client } from 'pg'
import { beforeEach, describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import type { StoreStatus } from '../../src/schema.ts'
import { createDatabase } from '../database.ts'
import { runAs } from '../run-as.ts'
import { COMMAND, type Outcome, runCommand } from '../run-command.ts'

// As the owner, who is no superuser.
const database = await createDatabase({ isInstalled: false })
const connectionString = database.ownerUrl

const run = (...args: string[]): Promise<Outcome> => runCommand({ DATABASE_URL: connectionString }, ...args)

async function readStatus(...args: string[]): Promise<StoreStatus> {
  const { stdout } = await run('status', '--json', ...args)
  return JSON.parse(stdout) as StoreStatus
}

beforeEach(async () => {
  await run('drop', '--yes')
})

describe('migrate', () => {
  it('installs the schema once', async () => {
    const version = await PostgresCache.migrate({ connectionString, schema: 'elsewhere' })
    expect(await run('migrate')).toEqual({
      code: 0,
      stdout: `installed version ${version} in schema postgres_cache\n`,
      stderr: '',
    })
    expect((await run('migrate')).stdout).toBe(
      `nothing to do: schema postgres_cache has version ${version}\n`,
    )
    expect(await PostgresCache.schemaIsCurrent({ connectionString })).toBe(true)
    await run('drop', '--yes', '--schema', 'elsewhere')
  })

  it('upgrades from an older version, breaking steps included', async () => {
    await PostgresCache.migrate({ connectionString }, { to: 1 })
    expect((await run('migrate')).stdout).toMatch(/^upgraded schema postgres_cache from version 1 to \d+\n$/)
  })

  it('keeps the settings of the first time, and refuses others', async () => {
    await run('migrate', '--channel', 'changes', '--durability', 'logged')
    expect((await run('migrate')).code).toBe(0)
    expect(await run('migrate', '--channel', 'other')).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'error: --channel is other, but the schema was installed with changes: drop it first to change that [settings-mismatch]\n',
    })
    expect(await readStatus()).toMatchObject({ notifyChannel: 'changes', durability: 'logged' })
  })

  it('says what to do when the role may not', async () => {
    const role = `${database.name}_reader`
    await database.query(`create role "${role}" login`)
    const url = new URL(connectionString)
    url.username = role
    const refusals: Outcome[] = []
    // Into nothing, into a schema of somebody else's, and over what somebody else has installed.
    for (const prepare of ['select', 'create schema postgres_cache', null]) {
      if (prepare === null) await run('migrate')
      else await runAs(connectionString, prepare)
      refusals.push(await run('migrate', '--url', url.href))
    }
    refusals.push(await run('drop', '--yes', '--url', url.href))
    await database.query(`drop role "${role}"`)
    const advice = [
      '`grant create on database .*` or `npx postgres-cache migrate`',
      '`grant usage, create on schema .*` or `npx postgres-cache migrate`',
      'let .*, who owns it, run `npx postgres-cache migrate`',
      'let .*, who owns it, run `npx postgres-cache drop`',
    ]
    for (const [i, { code, stderr }] of refusals.entries()) {
      expect(code).toBe(1)
      expect(stderr).toMatch(new RegExp(`^error: .*${advice[i]} \\[permission-denied\\]\n$`))
    }
  })
})

describe('sql', () => {
  it('prints what migrate runs, and needs no server', async () => {
    const { code, stdout } = await runCommand(
      {},
      'sql',
      '--schema',
      'shop',
      '--prefix',
      'eu_',
      '--channel',
      'c',
    )
    expect(code).toBe(0)
    expect(stdout).toBe(
      PostgresCache.migrationSql({ schema: 'shop', schemaPrefix: 'eu_', notifyChannel: 'c' }),
    )
  })

  it('installs the schema when a migration tool runs it', async () => {
    const { stdout } = await run('sql')
    await runAs(connectionString, stdout)
    expect(await PostgresCache.schemaIsCurrent({ connectionString })).toBe(true)
  })
})

describe('status', () => {
  it('counts what is stored, what is old and who listens', async () => {
    await using cache = new PostgresCache({ connectionString })
    await cache.setMany([
      ['a', 'x'.repeat(20_000)],
      ['b', 2],
    ])
    await cache.set('a', 3)
    await cache.deleteByPrefix('b')
    await database.query(
      `update postgres_cache.entries set fresh_until = created_at, expires_at = created_at where key = 'a'`,
    )

    const status = await readStatus()
    expect(status).toMatchObject({
      database: database.name,
      schema: 'postgres_cache',
      schemaIsCurrent: true,
      durability: 'unlogged',
      notifyChannel: 'cache_events',
      expiredEntries: 1,
      usage: { entries: 1 },
      sessions: 1,
      notificationQueueUsage: 0,
      state: { worldIsSettled: true, trimMs: null },
    })
    expect(status.connections).toBeGreaterThan(1)
    const rows = Object.fromEntries(status.tables.map((table) => [table.name, table.rows]))
    expect(rows).toMatchObject({ entries: 2, prefix_invalidations: 1, leases: 0 })
    const [entries] = status.tables
    expect(entries?.tableBytes).toBeGreaterThan(0)
    expect(entries?.indexBytes).toBeGreaterThan(0)
  })

  it('reads well: every fact has a label, every figure a unit', async () => {
    await using cache = new PostgresCache({ connectionString })
    await cache.set('a', 1)
    const { code, stdout } = await run('status')
    expect(code).toBe(0)
    const facts = stdout.split('\n').map((line) => line.replaceAll(/\d+/g, '0'))
    expect(facts).toEqual(
      expect.arrayContaining([
        'schema         postgres_cache, version 0 (current)',
        'settings       unlogged, channel cache_events',
        expect.stringMatching(/^table +rows +table size +indexes +toast$/),
        expect.stringMatching(/^entries +0 +0.0 KiB +0.0 KiB +0.0 KiB$/),
        'usage          0 entry, 0 B as caps count them',
        'expired        0 entries waiting to be removed',
        'dead rows      0 rows, never vacuumed',
        'overwrites     none',
        'last sweep     0 s ago',
        'hand           block 0 of 0, 0 rounds done',
        expect.stringMatching(/^load fence {5}published 0 s ago, 0 transactions? behind$/),
        expect.stringMatching(/^trim fence {5}0 transactions? behind, no trim under way$/),
        expect.stringMatching(/^sessions {7}0 process listening, 0 connections in all$/),
        "notifications  0 % of the server's queue in use",
      ]),
    )
  })

  it('tells that no client has begun to use the store', async () => {
    await run('migrate')
    expect((await run('status')).stdout).toMatch(/^world {10}none: /m)
  })

  it('tells that the tables came from another database', async () => {
    await using cache = new PostgresCache({ connectionString })
    await cache.connect()
    await database.query('update postgres_cache.state set database_oid = 1')
    expect((await run('status')).stdout).toMatch(/^world .* from another server or database/m)
  })

  it('fails where nothing is installed, and says what to run', async () => {
    const { code, stdout, stderr } = await run('status')
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toBe(
      'error: nothing is installed in schema postgres_cache: run `npx postgres-cache migrate` [schema-missing]\n',
    )
  })

  it('says what to run for another prefix', async () => {
    await run('migrate')
    const { stderr } = await run('status', '--prefix', 'foo_')
    expect(stderr).toBe(
      'error: nothing with the prefix foo_ is installed in schema postgres_cache: run `npx postgres-cache migrate --prefix foo_` [schema-missing]\n',
    )
    expect(await run('migrate', '--prefix', 'foo_')).toMatchObject({ code: 0 })
    expect(await run('status', '--prefix', 'foo_')).toMatchObject({ code: 0 })
    await run('drop', '--yes', '--prefix', 'foo_')
  })

  it('fails where a breaking migration waits', async () => {
    await PostgresCache.migrate({ connectionString }, { to: 1 })
    expect((await run('status')).stderr).toMatch(/^error: .* \[schema-outdated\]\n$/)
  })
})

describe('prune', () => {
  it('removes what is expired or invalidated, whatever the settings', async () => {
    await using cache = new PostgresCache({ connectionString, notifyChannel: 'other', durability: 'logged' })
    await cache.setMany(['a', 'b', 'c'].map((key) => [key, 1] as const))
    await cache.set('kept', 1)
    await cache.deleteByPrefix('a')
    await database.query(
      `update postgres_cache.entries set fresh_until = created_at, expires_at = created_at where key = 'b'`,
    )
    expect(await run('prune')).toEqual({
      code: 0,
      stdout: 'removed 2 expired or invalidated entries\n',
      stderr: '',
    })
    expect(await database.query('select key from postgres_cache.entries order by key')).toEqual([
      { key: 'c' },
      { key: 'kept' },
    ])
  })
})

describe('drop', () => {
  it('needs a confirmation', async () => {
    await run('migrate')
    expect(await run('drop')).toEqual({
      code: 2,
      stdout: '',
      stderr: 'error: drop removes everything: confirm it with --yes\n',
    })
    expect(await PostgresCache.schemaIsCurrent({ connectionString })).toBe(true)
  })

  it('removes everything and nothing else', async () => {
    await run('migrate')
    await run('migrate', '--prefix', 'eu_')
    expect((await run('drop', '--yes')).stdout).toBe('removed schema postgres_cache\n')
    expect(await PostgresCache.schemaIsCurrent({ connectionString, schemaPrefix: 'eu_' })).toBe(true)
    expect((await run('drop', '--yes', '--prefix', 'eu_')).stdout).toBe(
      'removed schema postgres_cache, prefix eu_\n',
    )
    expect(await database.query(`select from pg_namespace where nspname = 'postgres_cache'`)).toEqual([])
    expect((await run('drop', '--yes')).stdout).toMatch(/^nothing to do: /)
  })

  it('gives up where a transaction keeps it waiting, because all others wait behind it', async () => {
    await run('migrate')
    const reader = new Client(connectionString)
    await reader.connect()
    try {
      await reader.query('begin; select from postgres_cache.live_entries')
      const { code, stderr } = await run('drop', '--yes')
      expect(code).toBe(1)
      expect(stderr).toContain('nothing was dropped, try again when it has ended')
      expect(await PostgresCache.schemaIsCurrent({ connectionString })).toBe(true)
    } finally {
      await reader.end()
    }
    expect(await run('drop', '--yes')).toMatchObject({ code: 0 })
  })
})

describe('drop, in a schema that others use,', () => {
  it('leaves what is not ours, even a function of the same name', async () => {
    await runAs(
      connectionString,
      `
      create schema shared;
      create type shared.colour as enum ('red');
      create function shared.get(a integer) returns integer language sql return a`,
    )
    await run('migrate', '--schema', 'shared')
    expect(await run('drop', '--yes', '--schema', 'shared')).toMatchObject({ code: 0 })
    expect(await database.query("select shared.get(1), 'red'::shared.colour as colour")).toEqual([
      { get: 1, colour: 'red' },
    ])
    await database.query('drop schema shared cascade')
  })

  it('leaves public', async () => {
    await run('migrate', '--schema', 'public')
    expect(await run('drop', '--yes', '--schema', 'public')).toMatchObject({ code: 0 })
    expect(await database.query(`select from pg_class where relnamespace = 'public'::regnamespace`)).toEqual(
      [],
    )
  })
})

describe('the command', () => {
  it('finds the server by the PG* variables, too', async () => {
    const { hostname, port, username, pathname } = new URL(connectionString)
    const environment = { PGHOST: hostname, PGPORT: port, PGUSER: username, PGDATABASE: pathname.slice(1) }
    const password = new URL(connectionString).password
    expect(
      (await runCommand({ ...environment, PGPASSWORD: decodeURIComponent(password) }, 'migrate')).code,
    ).toBe(0)
    expect(await PostgresCache.schemaIsCurrent({ connectionString })).toBe(true)
  })

  it('prints its version and its manual', async () => {
    expect((await run('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
    expect((await run('--help')).stdout).toContain('postgres-cache status')
  })

  it('fails with one line that has the code, and with 1', async () => {
    const { code, stdout, stderr } = await run('status', '--url', 'postgres://nobody@127.0.0.1:1/nothing')
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^error: .*ECONNREFUSED.* \[unavailable\]\n$/)
  })

  it('ends with 2 when it was used wrongly', async () => {
    expect(await run('frobnicate')).toMatchObject({ code: 2, stderr: expect.stringMatching(/^error: .*\n$/) })
    expect(await run()).toMatchObject({ code: 2 })
    expect(await run('migrate', '--durability', 'eternal')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("Expected --durability to be one of 'unlogged', 'logged'"),
    })
    const mysql = 'mysql://root:secret@127.0.0.1/app'
    for (const outcome of [
      await run('status', '--url', mysql),
      await runCommand({ DATABASE_URL: mysql }, 'status'),
    ])
      expect(outcome).toEqual({
        code: 2,
        stdout: '',
        stderr:
          "error: Expected --url (or DATABASE_URL) to be an address such as 'postgres://user:password@host:5432/database', got the scheme `mysql` [invalid-option]\n",
      })
  })

  it('ends quietly when nobody reads on', async () => {
    const child = spawn(process.execPath, [COMMAND, 'sql'], { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.destroy()
    const [complaint, [code]] = await Promise.all([text(child.stderr), once(child, 'close')])
    expect({ complaint, code }).toEqual({ complaint: '', code: 0 })
  })
})
