import { Client } from 'pg'
import { beforeEach, describe, expect, it } from 'vitest'
import { describeSchema } from '../../scripts/schema-catalog.ts'
import { type CacheOptions, PostgresCache } from '../../src/index.ts'
import { createNames } from '../../src/postgres/names.ts'
import { removeSchema, renderRoles } from '../../src/schema.ts'
import { createDatabase } from '../database.ts'
import { createRole } from '../limited-role.ts'
import { runAs } from '../run-as.ts'

// As the owner, who is no superuser.
const database = await createDatabase({ isInstalled: false })
const connectionString = database.ownerUrl
const options: CacheOptions = { connectionString }
const LATEST = await PostgresCache.migrate(options)

beforeEach(() => database.query('drop schema if exists postgres_cache cascade'))

/** How a cache fares that is made with these options. */
async function connects(given: CacheOptions): Promise<string> {
  await using cache = new PostgresCache(given)
  return await cache.connect().then(
    () => 'connected',
    (error: unknown) => (error as { code: string }).code,
  )
}

async function refusal(call: Promise<unknown>, code: string): Promise<string> {
  const error = await call.then(
    () => new Error('it was done'),
    (reason: Error) => reason,
  )
  expect(error).toMatchObject({ code })
  return error.message
}

const grantIn = (message: string): string => /`(grant .*?)`/.exec(message)?.[1] ?? message

describe('migrate', () => {
  it('installs once, and tells the version', async () => {
    expect(await PostgresCache.schemaVersion(options)).toBe(0)
    expect(await PostgresCache.schemaIsCurrent(options)).toBe(false)
    expect(await PostgresCache.migrate(options)).toBe(LATEST)
    expect(await PostgresCache.migrate(options)).toBe(LATEST)
    expect(await PostgresCache.schemaVersion(options)).toBe(LATEST)
    expect(await PostgresCache.schemaIsCurrent(options)).toBe(true)
    const rows = await database.query('select version from postgres_cache.migrations order by version')
    expect(rows).toEqual(Array.from({ length: LATEST }, (_, i) => ({ version: i + 1 })))
  })

  it('keeps what is stored', async () => {
    await using cache = new PostgresCache(options)
    await cache.set('kept', 1)
    expect(await cache.migrate()).toBe(LATEST)
    expect(await PostgresCache.migrate(options)).toBe(LATEST)
    expect(await cache.get('kept', { fresh: true })).toBe(1)
  })

  it('goes up to a version, and later on from there', async () => {
    expect(await PostgresCache.migrate(options, { to: 1 })).toBe(1)
    expect(await PostgresCache.schemaVersion(options)).toBe(1)
    expect(await PostgresCache.schemaIsCurrent(options)).toBe(false)
    expect(await PostgresCache.migrate(options, { to: 2 })).toBe(2)
    expect(await PostgresCache.migrate(options, { to: 1 })).toBe(2)
    expect(await PostgresCache.migrate(options)).toBe(LATEST)
    expect(await connects(options)).toBe('connected')
  })

  it.each([0, -1, 1.5, LATEST + 1])('refuses to go to version %s', async (to) => {
    await expect(PostgresCache.migrate(options, { to })).rejects.toMatchObject({
      code: 'invalid-option',
      option: 'to',
    })
    expect(await PostgresCache.schemaVersion(options)).toBe(0)
  })

  it('leaves nothing behind where it fails', async () => {
    await runAs(connectionString, 'create schema postgres_cache; create table postgres_cache.feed ()')
    await expect(PostgresCache.migrate(options)).rejects.toMatchObject({ code: 'query-failed' })
    const left = await database.query(
      `select relname from pg_class where relnamespace = 'postgres_cache'::regnamespace`,
    )
    expect(left).toEqual([{ relname: 'feed' }])
  })

  it('does not wait for ever for another process that was stopped in the middle of it', async () => {
    await using cache = new PostgresCache({ ...options, schema: 'elsewhere', local: false })
    const { loadClass } = createNames({ schema: 'elsewhere', prefix: '' })
    await database.query(`select pg_advisory_lock(${loadClass}, 0)`)
    try {
      const refused = cache.connect().catch((error: unknown) => error)
      expect(await cache.get('a')).toBeUndefined()
      expect(await refused).toMatchObject({ code: 'locked', message: expect.stringContaining('elsewhere') })
    } finally {
      await database.query(`select pg_advisory_unlock(${loadClass}, 0)`)
    }
    await cache.connect()
    await database.query('drop schema elsewhere cascade')
  }, 60_000)

  it('runs by itself on the first use, unless told not to', async () => {
    await using cache = new PostgresCache(options)
    await cache.set('a', 1)
    expect(await PostgresCache.schemaVersion(options)).toBe(LATEST)
  })
})

describe('without a right to migrate', () => {
  it('a cache says what is missing and which command installs it', async () => {
    const missing = { code: 'schema-missing', message: expect.stringContaining('npx postgres-cache migrate') }
    await using cache = new PostgresCache({ ...options, migrate: false })
    await expect(cache.connect()).rejects.toMatchObject(missing)
    // A wrong set-up is shown to every caller: reads, too.
    await expect(cache.get('a')).rejects.toMatchObject(missing)
    await expect(cache.getOrSet('a', () => 1)).rejects.toMatchObject(missing)
    await expect(cache.set('a', 1)).rejects.toMatchObject(missing)
    expect(await PostgresCache.schemaVersion(options)).toBe(0)

    // Installed by somebody else, it works without a restart.
    await PostgresCache.migrate(options)
    await cache.set('a', 1)
    expect(await cache.get('a')).toBe(1)
  })

  it.each([
    [{ schemaPrefix: 'foo_' }, 'prefix foo_ is installed', 'npx postgres-cache migrate --prefix foo_'],
    [{ schema: 'elsewhere' }, 'schema elsewhere', 'npx postgres-cache migrate --schema elsewhere'],
    [
      { schema: "it's", schemaPrefix: '-' },
      "schema it's",
      String.raw`npx postgres-cache migrate --schema='it'\''s' --prefix='-'`,
    ],
  ])('the command is for the schema and prefix that are missing: %j', async (where, what, command) => {
    await PostgresCache.migrate(options)
    await using cache = new PostgresCache({ ...options, ...where, migrate: false })
    const message = await refusal(cache.connect(), 'schema-missing')
    expect(message).toContain(what)
    expect(message).toContain(`\`${command}\`, or set \`migrate: true\``)
  })

  it.each([
    ['where there is no schema', null, /`grant create on database .*`/],
    [
      'where there is one that it may not use',
      'create schema postgres_cache',
      /`grant usage, create on schema .*`/,
    ],
    [
      'where there is one that it may only use',
      'create schema postgres_cache; grant usage on schema postgres_cache to public',
      /`grant usage, create on schema .*`/,
    ],
  ])('a role that may create nothing %s is told what an administrator grants it', async (_, sql, grant) => {
    await using role = await createRole(database, { isOwner: false })
    const its = { connectionString: role.url }
    if (sql !== null) await database.query(sql)
    expect(await connects(its)).toBe('permission-denied')
    const message = await refusal(PostgresCache.migrate(its), 'permission-denied')
    expect(message).toMatch(/an administrator run either .* or `npx postgres-cache migrate`$/)
    expect(message).toMatch(grant)
    await database.query(grantIn(message))
    expect(await PostgresCache.migrate(its)).toBe(LATEST)
    expect(await connects(its)).toBe('connected')
    await removeSchema(its)
  })

  it('a role that may not upgrade what another has installed is told whose it is', async () => {
    await using owner = await createRole(database)
    await using role = await createRole(database, { isOwner: false })
    await PostgresCache.migrate({ connectionString: owner.url }, { to: 1 })
    await database.query(`grant usage, create on schema postgres_cache to "${role.name}"`)
    const its = { connectionString: role.url }
    const message = await refusal(PostgresCache.migrate(its), 'permission-denied')
    expect(message).toContain(`let ${owner.name}, who owns it, run \`npx postgres-cache migrate\``)
    expect(message).not.toContain('grant')
    expect(await PostgresCache.migrate({ connectionString: owner.url })).toBe(LATEST)
  })

  it('who is refused the login is told to look at user and password', async () => {
    const address = new URL(database.url)
    address.username = 'nobody of this name'
    await using cache = new PostgresCache({ connectionString: address.href })
    const refused = { code: 'permission-denied', message: expect.stringContaining('user and password') }
    await expect(cache.connect()).rejects.toMatchObject(refused)
    // As often as anybody asks: a circuit that opened would say that the server is gone.
    for (let i = 0; i < 4; i++) await expect(cache.get('a')).rejects.toMatchObject(refused)
  })

  it('a role that may not use the schema is told what gives it the rights', async () => {
    await PostgresCache.migrate(options)
    await using role = await createRole(database, { isOwner: false })
    await using cache = new PostgresCache({ connectionString: role.url })
    const refused = {
      code: 'permission-denied',
      message: expect.stringContaining('`npx postgres-cache sql --roles`'),
    }
    await expect(cache.connect()).rejects.toMatchObject(refused)
    await expect(cache.get('a')).rejects.toMatchObject(refused)
    const installed = await database.query<{ owner: string }>(
      `select nspowner::regrole::text as owner from pg_namespace where nspname = 'postgres_cache'`,
    )
    const roles = { owner: installed[0]?.owner ?? '', application: role.name }
    await database.query(renderRoles({}, roles))
    await cache.set('a', 1)
    expect(await cache.get('a')).toBe(1)
  })

  it('a role that may create in the schema, and not in the database, migrates', async () => {
    await using role = await createRole(database, { isOwner: false })
    await database.query(`create schema postgres_cache authorization "${role.name}"`)
    expect(await PostgresCache.migrate({ connectionString: role.url })).toBe(LATEST)
    expect(await connects({ connectionString: role.url })).toBe('connected')
  })
})

describe('a schema of another release', () => {
  it('with a breaking step that this one does not know is refused', async () => {
    await PostgresCache.migrate(options)
    await database.query(`insert into postgres_cache.migrations values ($1, 'future', true)`, [LATEST + 1])
    await using cache = new PostgresCache(options)
    const newer = { code: 'schema-newer', message: expect.stringContaining('upgrade postgres-cache') }
    await expect(cache.connect()).rejects.toMatchObject(newer)
    await expect(cache.get('a')).rejects.toMatchObject(newer)
  })

  it('with newer steps that break nothing is used', async () => {
    await PostgresCache.migrate(options)
    await database.query(`insert into postgres_cache.migrations values ($1, 'future', false)`, [LATEST + 1])
    expect(await connects(options)).toBe('connected')
    expect(await PostgresCache.schemaVersion(options)).toBe(LATEST + 1)
    expect(await PostgresCache.schemaIsCurrent(options)).toBe(true)
  })

  it('that lacks a breaking step waits for an explicit migrate', async () => {
    await PostgresCache.migrate(options, { to: 1 })
    await using cache = new PostgresCache(options)
    const outdated = {
      code: 'schema-outdated',
      message: expect.stringContaining('npx postgres-cache migrate'),
    }
    await expect(cache.connect()).rejects.toMatchObject(outdated)
    await expect(cache.getOrSet('a', () => 1)).rejects.toMatchObject(outdated)
    expect(await PostgresCache.schemaVersion(options)).toBe(1)
    expect(await cache.migrate()).toBe(LATEST)
    await cache.set('a', 1)
  })
})

describe('a schema of an older release that is not to be migrated', () => {
  it('serves what it can, and names the command where it lacks a function', async () => {
    await PostgresCache.migrate(options, { to: 6 })
    await using cache = new PostgresCache({ ...options, migrate: false })
    await cache.set('a', 1)
    expect(await cache.get('a', { fresh: true })).toBe(1)
    const outdated = {
      code: 'schema-outdated',
      message: expect.stringMatching(/lacks a function .*npx postgres-cache migrate/),
    }
    await expect(cache.add('b', 1)).rejects.toMatchObject(outdated)
    await expect(cache.increment('n')).rejects.toMatchObject(outdated)
    await expect(cache.take('a')).rejects.toMatchObject(outdated)
    await expect(cache.compareAndSet('b', undefined, 1)).rejects.toMatchObject(outdated)
    expect(await PostgresCache.schemaVersion(options)).toBe(6)
    await PostgresCache.migrate(options)
    expect(await cache.increment('n')).toBe(1)
  })
})

describe('what the schema was installed with', () => {
  it('must be what a client is configured with', async () => {
    await PostgresCache.migrate({ ...options, notifyChannel: 'mine', durability: 'logged' })
    const mismatch = (option: string): object => ({
      code: 'settings-mismatch',
      option,
      message: expect.stringContaining(option),
    })
    await using otherChannel = new PostgresCache({ ...options, durability: 'logged' })
    await expect(otherChannel.connect()).rejects.toMatchObject(mismatch('notifyChannel'))
    await expect(otherChannel.get('a')).rejects.toMatchObject(mismatch('notifyChannel'))
    await using otherDurability = new PostgresCache({ ...options, notifyChannel: 'mine' })
    await expect(otherDurability.connect()).rejects.toMatchObject(mismatch('durability'))
    expect(await connects({ ...options, notifyChannel: 'mine', durability: 'logged' })).toBe('connected')
  })

  it('decides whether the tables are logged', async () => {
    const persistence = async (): Promise<unknown[]> =>
      database.query(
        `select distinct relpersistence from pg_class
         where relnamespace = 'postgres_cache'::regnamespace and relkind = 'r' and relname not in ('meta', 'migrations', 'crash_sign')`,
      )
    await PostgresCache.migrate(options)
    expect(await persistence()).toEqual([{ relpersistence: 'u' }])
    await database.query('drop schema postgres_cache cascade')
    await PostgresCache.migrate({ ...options, durability: 'logged' })
    expect(await persistence()).toEqual([{ relpersistence: 'p' }])
  })
})

describe('migrationSql', () => {
  it.each<CacheOptions>([{}, { durability: 'logged', notifyChannel: `it's`, schemaPrefix: 'app_' }])(
    'creates what migrate creates, with %o',
    async (settings) => {
      await PostgresCache.migrate({ ...options, ...settings })
      await using other = await createDatabase({ isInstalled: false })
      await runAs(other.ownerUrl, PostgresCache.migrationSql(settings))
      expect(await PostgresCache.schemaIsCurrent({ connectionString: other.ownerUrl, ...settings })).toBe(
        true,
      )
      expect(await connects({ connectionString: other.ownerUrl, ...settings })).toBe('connected')

      const described = await Promise.all(
        [database, other].map(async ({ ownerUrl }) => {
          const client = new Client(ownerUrl)
          await client.connect()
          const description = await describeSchema(client, 'postgres_cache')
          await client.end()
          return description
        }),
      )
      expect(described[1]).toBe(described[0])
      expect(described[0]).toContain(
        'create unlogged table'.replace(settings.durability ? 'unlogged ' : '', ''),
      )
    },
  )
})
