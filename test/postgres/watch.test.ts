import { Client } from 'pg'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { majorFromEnvironment } from '../../scripts/database-url.ts'
import { PostgresCache } from '../../src/index.ts'
import { readStoreStatus } from '../../src/schema.ts'
import { createDatabase } from '../database.ts'
import { createRole } from '../limited-role.ts'
import { runAs } from '../run-as.ts'

const database = await createDatabase()
const connectionString = database.url
const cache = new PostgresCache({ connectionString })
await cache.connect()
afterAll(() => cache.close())

await runAs(
  connectionString,
  `
  create type kind as enum ('red', 'blue');
  create table "Order Lines" (id integer primary key, "Org Id" uuid, kind kind, note text, at timestamptz default now());
  create table orgs (id integer primary key);
  create table users (id bigint primary key, org_id integer references orgs on delete cascade, name varchar(20), active boolean default true)
`,
)
beforeEach(async () => {
  await database.query('delete from orgs; delete from users; delete from "Order Lines"')
  await cache.clear()
})

const KEYS = ['user:1', 'user:2', 'user:3']

/** Which of the users are still cached after the change. */
async function survivors(change: () => Promise<unknown>): Promise<(string | undefined)[]> {
  await cache.setMany(KEYS.map((key) => [key, key]))
  await change()
  return cache.getMany<string>(KEYS, { fresh: true })
}

describe('a watched table', () => {
  it('invalidates the keys of rows that are inserted, updated or deleted, and no others', async () => {
    await cache.watch('users', { keys: ['user:{id}'], tags: ['users', 'org:{org_id}'] })
    await database.query('insert into orgs values (7), (8)')
    expect(await survivors(() => database.query('insert into users values (1, 7), (2, 7)'))).toEqual([
      undefined,
      undefined,
      'user:3',
    ])
    expect(await survivors(() => database.query(`update users set name = 'Ava' where id = 1`))).toEqual([
      undefined,
      'user:2',
      'user:3',
    ])
    expect(await survivors(() => database.query('update users set id = 3 where id = 2'))).toEqual([
      'user:1',
      undefined,
      undefined,
    ])
    expect(await survivors(() => database.query('delete from users where id = 3'))).toEqual([
      'user:1',
      'user:2',
      undefined,
    ])
    expect(await survivors(() => database.query('update users set id = id where false'))).toEqual(KEYS)
    expect(await survivors(() => database.query('truncate users'))).toEqual([undefined, undefined, undefined])
  })

  it('invalidates tags by old and new values, and none where the column is null', async () => {
    await cache.watch('users', { tags: ['org:{org_id}'] })
    await database.query('insert into orgs values (7), (8), (9); insert into users values (1, 7), (2, null)')
    await cache.setMany(['7', '8', '9'].map((org) => ({ key: `o${org}`, value: org, tags: [`org:${org}`] })))
    await database.query('update users set org_id = 8 where id = 1')
    await database.query(`update users set name = 'Eve' where id = 2`)
    expect(await cache.getMany(['o7', 'o8', 'o9'], { fresh: true })).toEqual([undefined, undefined, '9'])
  })

  it('takes effect with the transaction that changes it, and not at all on rollback', async () => {
    await cache.watch('users', { keys: ['user:{id}'] })
    const client = new Client({ connectionString })
    await client.connect()
    await client.query('begin')
    expect(await survivors(() => client.query('insert into users values (1)'))).toEqual(KEYS)
    await client.query('commit')
    expect(await cache.getMany(KEYS, { fresh: true })).toEqual([undefined, 'user:2', 'user:3'])
    await client.query('begin; insert into users values (2); rollback')
    expect(await cache.get('user:2', { fresh: true })).toBe('user:2')
    await client.end()
  })

  it('hears of COPY, upserts and cascades of foreign keys', async () => {
    await cache.watch('users', { keys: ['user:{id}'] })
    await database.query('insert into orgs values (7); insert into users values (1, 7), (2, 7)')
    expect(await survivors(() => database.query('delete from orgs'))).toEqual([
      undefined,
      undefined,
      'user:3',
    ])
    const upsert = `insert into users values (1), (3) on conflict (id) do update set name = 'x'`
    expect(await survivors(() => database.query(upsert))).toEqual([undefined, 'user:2', undefined])
    const copy = `do $$
      declare file text := current_setting('data_directory') || '/copied';
      begin
        execute format('copy (select 2) to %L', file);
        execute format('copy users (id) from %L', file);
      end $$`
    expect(await survivors(() => database.query(copy))).toEqual(['user:1', undefined, 'user:3'])
  })

  it('stays cheap for a statement that touches very many rows: one prefix instead of a list', async () => {
    await cache.watch('users', { keys: ['user:{id}'] })
    const count = async (): Promise<number> =>
      (await database.query('table postgres_cache.invalidations')).length
    const before = await count()
    const change = (): Promise<unknown> =>
      database.query('insert into users select generate_series(10, 5000)')
    expect(await survivors(change)).toEqual([undefined, undefined, undefined])
    expect(await count()).toBe(before)
  })

  it('needs no right on the cache from the role that writes it', async () => {
    await cache.watch('users', { keys: ['user:{id}'] })
    await database.query(
      `do $$ begin create role plain_writer; exception when duplicate_object then null; end $$; grant insert, select on users to plain_writer`,
    )
    const change = (): Promise<unknown> =>
      database.query('set role plain_writer; insert into users values (1); reset role')
    expect(await survivors(change)).toEqual([undefined, 'user:2', 'user:3'])
  })

  it('with odd names, composite patterns and enums', async () => {
    const key = 'line:{Org Id}:{kind}:{{literal}}:{id}'
    await cache.watch('"Order Lines"', { keys: [key] })
    const cached = 'line:00000000-0000-0000-0000-000000000001:red:{literal}:5'
    await cache.set(cached, 1)
    await database.query(
      `insert into "Order Lines" values (5, '00000000-0000-0000-0000-000000000001', 'red')`,
    )
    expect(await cache.get(cached, { fresh: true })).toBeUndefined()
    expect((await cache.watches()).find(({ table }) => table.includes('Order Lines'))).toMatchObject({
      keys: [key],
      tags: [],
      hints: true,
    })
  })

  it('tells keys apart that are equal under a collation, and names two columns of different collations', async () => {
    await runAs(
      connectionString,
      `
      create collation caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
      create table people (nick text collate caseless, city text collate "C")`,
    )
    const keys = ['nick:Bob', 'nick:bob', 'at:Bob:Rome', 'at:bob:Rome', 'nick:Eve']
    await cache.watch('people', { keys: ['nick:{nick}', 'at:{nick}:{city}'] })
    await cache.setMany(keys.map((key) => [key, 1]))
    await database.query(`insert into people values ('Bob', 'Rome'), ('bob', 'Rome')`)
    expect(await cache.getMany(keys, { fresh: true })).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      1,
    ])
  })

  it('takes rows whose key is longer than any entry can have, and invalidates the others', async () => {
    await runAs(connectionString, 'create table notes (id integer, title text)')
    await cache.watch('notes', { keys: ['note:{title}'], tags: ['titled:{title}', 'id:{id}'] })
    const longest = 'x'.repeat(1024 - 'note:'.length)
    const keys = ['note:short', `note:${longest}`]
    await cache.setMany(keys.map((key) => [key, 1]))
    await database.query('truncate postgres_cache.invalidations')
    // Digests do not compress: what is too long for the index stays too long.
    const tooLong = `(select string_agg(md5(i::text), '') from generate_series(1, 200) as i)`
    await database.query(
      `insert into notes values (1, ${tooLong}), (2, 'short'), (3, '${longest}'), (4, '${longest}y')`,
    )
    expect(await cache.getMany(keys, { fresh: true })).toEqual([undefined, undefined])
    const appended = await database.query<{ target: string }>(
      'select target from postgres_cache.invalidations',
    )
    expect(appended.map(({ target }) => target).toSorted()).toEqual(
      [`knote:${longest}`, 'knote:short', 'tid:1', 'tid:2', 'tid:3', 'tid:4', 'ttitled:short'].toSorted(),
    )
  })

  it('whose column is renamed invalidates too much rather than failing its writers', async () => {
    await runAs(connectionString, 'create table renamed (id integer)')
    await cache.watch('renamed', { keys: ['r:{id}'] })
    await cache.set('r:9', 1)
    await runAs(
      connectionString,
      'alter table renamed rename column id to number; insert into renamed values (1)',
    )
    expect(await cache.get('r:9', { fresh: true })).toBeUndefined()
    await runAs(connectionString, 'drop table renamed')
  })

  it('forgets what was cached before it was watched, once', async () => {
    await cache.unwatch('users')
    await cache.set('user:1', 1)
    await cache.watch('users', { keys: ['user:{id}'] })
    expect(await cache.get('user:1', { fresh: true })).toBeUndefined()
    await cache.set('user:1', 2)
    await cache.watch('users', { keys: ['user:{id}'] })
    expect(await cache.get('user:1', { fresh: true })).toBe(2)
  })

  it('is watched again by watch() where its triggers were disabled, which watches() tells until then', async () => {
    await cache.watch('users', { keys: ['user:{id}'] })
    const find = async (): Promise<unknown> =>
      (await cache.watches()).find(({ table }) => table === 'public.users')
    expect(await find()).toMatchObject({ unwatchedPartitions: [] })
    await database.query('alter table users disable trigger user')
    expect(await find()).toMatchObject({ unwatchedPartitions: ['public.users'] })
    expect(await survivors(() => database.query('insert into users values (1)'))).toEqual(KEYS)
    // What changed meanwhile has gone unnoticed.
    expect(await survivors(() => cache.watch('users', { keys: ['user:{id}'] }))).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    expect(await find()).toMatchObject({ unwatchedPartitions: [] })
    expect(await survivors(() => database.query('insert into users values (2)'))).toEqual([
      'user:1',
      undefined,
      'user:3',
    ])
  })

  it('hears of partitions named directly; later ones are listed as unwatched', async () => {
    await runAs(
      connectionString,
      `
      create table parted (id integer, part text) partition by list (part);
      create table parted_a partition of parted for values in ('a')`,
    )
    await cache.watch('parted', { keys: ['parted:{id}'] })
    await cache.setMany([
      ['parted:1', 1],
      ['parted:2', 2],
    ])
    await database.query(`insert into parted_a values (1, 'a'); insert into parted values (2, 'a')`)
    expect(await cache.getMany(['parted:1', 'parted:2'], { fresh: true })).toEqual([undefined, undefined])

    await runAs(connectionString, `create table parted_b partition of parted for values in ('b')`)
    const find = async (): Promise<unknown> =>
      (await cache.watches()).find(({ table }) => table === 'public.parted')
    expect(await find()).toMatchObject({ unwatchedPartitions: ['public.parted_b'] })
    await cache.watch('parted', { keys: ['parted:{id}'] })
    expect(await find()).toMatchObject({ unwatchedPartitions: [] })
  })
})

describe('status', () => {
  it('shows what is watched, and partitions that are not', async () => {
    await runAs(
      connectionString,
      `
      create table late (id integer, part text) partition by list (part);
      create table late_a partition of late for values in ('a')`,
    )
    await cache.watch('late', { keys: ['late:{id}'] })
    await runAs(connectionString, `create table late_b partition of late for values in ('b')`)
    const { watches } = await readStoreStatus({ connectionString })
    expect(watches).toContainEqual(
      expect.objectContaining({ table: 'public.late', unwatchedPartitions: ['public.late_b'] }),
    )
  })
})

describe('watch', () => {
  it('refuses columns whose text depends on the session, unknown ones, and unbalanced braces', async () => {
    const refusal = (pattern: string): Promise<void> => cache.watch('"Order Lines"', { keys: [pattern] })
    await expect(refusal('x:{at}')).rejects.toMatchObject({
      code: 'invalid-option',
      message: expect.stringMatching(/pattern x:{at} .*timestamp/),
    })
    await expect(refusal('x:{nope}')).rejects.toMatchObject({
      code: 'invalid-option',
      message: expect.stringContaining('no column nope, named in pattern x:{nope}'),
    })
    await expect(refusal('x:{id')).rejects.toMatchObject({
      code: 'invalid-option',
      message: expect.stringContaining('braces in pattern x:{id'),
    })
    await expect(cache.watch('no_such_table', { keys: ['x'] })).rejects.toMatchObject({
      code: 'invalid-option',
    })
    await expect(cache.watch('users', {})).rejects.toMatchObject({ code: 'invalid-option' })
  })

  it('refuses a virtual generated column, which no trigger can read', async ({ skip }) => {
    if (majorFromEnvironment() < 18) skip('before PostgreSQL 18 there are none')
    await runAs(
      connectionString,
      `create table computed (
        id integer, twice integer generated always as (id * 2) virtual, thrice integer generated always as (id * 3) stored
      )`,
    )
    await expect(cache.watch('computed', { keys: ['c:{twice}'] })).rejects.toMatchObject({
      code: 'invalid-option',
      message: expect.stringMatching(/twice .*virtual generated column.*make it STORED/),
    })
    await cache.watch('computed', { keys: ['c:{thrice}'] })
    await cache.set('c:9', 1)
    await runAs(connectionString, 'insert into computed values (3)')
    expect(await cache.get('c:9', { fresh: true })).toBeUndefined()
    // Made so since: too much is invalidated, and no writer fails.
    await runAs(
      connectionString,
      `alter table computed drop column thrice;
       alter table computed add column thrice integer generated always as (id * 3) virtual`,
    )
    await cache.set('c:9', 1)
    await runAs(connectionString, 'insert into computed values (4)')
    expect(await cache.get('c:9', { fresh: true })).toBeUndefined()
  })

  it('says what right it needs', async () => {
    await database.query(`do $$ begin create role stranger login; exception when duplicate_object then null; end $$;
      grant usage on schema postgres_cache to stranger; grant select on all tables in schema postgres_cache to stranger`)
    const url = new URL(connectionString)
    url.username = 'stranger'
    await using strange = new PostgresCache({
      connectionString: url.href,
      migrate: false,
      notifications: 'poll',
    })
    await expect(strange.watch('users', { keys: ['x:{id}'] })).rejects.toMatchObject({
      code: 'permission-denied',
      message: expect.stringContaining('grant trigger on users'),
    })
  })

  it('ends with unwatch', async () => {
    await cache.watch('users', { keys: ['user:{id}'] })
    expect(await cache.unwatch('users')).toBe(true)
    expect(await cache.unwatch('users')).toBe(false)
    expect(await survivors(() => database.query('insert into users values (1)'))).toEqual(KEYS)
  })
})

describe('a role without rights on the cache', () => {
  it('cannot make a trigger of its own invalidate keys', async () => {
    await using role = await createRole(database, { isOwner: false })
    await database.query(`grant usage on schema postgres_cache to "${role.name}"`)
    await database.query(
      `create table public.theirs (id integer); alter table public.theirs owner to "${role.name}"`,
    )
    const client = new Client(role.url)
    await client.connect()
    try {
      await expect(
        client.query(
          `create trigger t after truncate on public.theirs for each statement execute function postgres_cache.watched('hints', 'kuser:{id}')`,
        ),
      ).rejects.toThrow(/permission denied for function .*watched/)
    } finally {
      await client.end()
    }
  })
})
