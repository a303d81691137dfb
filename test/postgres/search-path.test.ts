// A role that may create objects puts them in the place of what the cache's functions, views and triggers call. Nothing changes, and
// nothing of that role's runs with the rights of somebody else.

import { Client, Pool } from 'pg'
import { describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { collect } from '../collect.ts'
import { createDatabase } from '../database.ts'
import { atEndOfFile } from '../end-of-file.ts'

const database = await createDatabase({ asApplication: true, isInstalled: false })
const application = new URL(database.url).username

/** A function that notes in a setting of the session who runs it, and returns nonsense. */
const spy = (signature: string, type: string, nonsense: string): string => `
  create function public.${signature} returns ${type} language plpgsql as $$
  begin
    perform pg_catalog.set_config('spy.ran_as', current_user, false);
    return ${nonsense};
  end $$`

// As good a match as what pg_catalog has, or a better one where that is polymorphic.
const IMITATIONS = [
  spy('unnest(text[])', 'setof text', "query select 'wrong'::text"),
  spy('array_to_json(text[])', 'json', "'[]'"),
  spy('array_agg_step(text[], text)', 'text[]', "'{}'"),
  'create aggregate public.array_agg(text) (sfunc = public.array_agg_step, stype = text[])',
  spy('starts_with(text, text)', 'boolean', 'true'),
  spy('format(text, text)', 'text', "'select 1'"),
  spy('format(text, bigint)', 'text', "'(0,0)'"),
  spy('substr(text, integer)', 'text', "'wrong'"),
  spy('cardinality(text[])', 'integer', '0'),
  spy('pg_current_xact_id()', 'xid8', "'1'"),
  spy('pg_current_snapshot()', 'pg_snapshot', "'1:1:'"),
  spy('clock_timestamp()', 'timestamptz', "'infinity'"),
  spy('statement_timestamp()', 'timestamptz', "'infinity'"),
  spy('array_remove(text[], text)', 'text[]', "'{wrong}'"),
  spy('json_build_object(text, integer)', 'json', "'{}'"),
  spy('is_same(text, text)', 'boolean', 'true'),
  'create operator public.= (leftarg = text, rightarg = text, function = public.is_same)',
  spy('is_same(xid8, xid8)', 'boolean', 'true'),
  'create operator public.= (leftarg = xid8, rightarg = xid8, function = public.is_same)',
  spy('joined(text, text)', 'text', "'wrong'"),
  'create operator public.|| (leftarg = text, rightarg = text, function = public.joined)',
  spy('is_older(timestamptz, timestamptz)', 'boolean', 'true'),
  'create operator public.> (leftarg = timestamptz, rightarg = timestamptz, function = public.is_older)',
  spy('times(float8, integer)', 'float8', '0'),
  'create operator public.* (leftarg = float8, rightarg = integer, function = public.times)',
  'create domain public.text as pg_catalog.int4',
  'create domain public.jsonb as pg_catalog.int4',
  'create table public.entries (key pg_catalog.text, value pg_catalog.text)',
  'create table public.state (world uuid)',
  'create table public.pg_class (oid oid, relname name)',
  'create table public.pg_trigger (oid oid)',
]

const TEMPORARY = [
  'entries',
  'state',
  'invalidations',
  'invalidators',
  'feed',
  'meta',
  'pg_class',
  'pg_trigger',
  'pg_attribute',
  'pg_type',
  'added',
  'removed',
  'replaced',
  'appended',
]

async function connect(): Promise<Client> {
  const client = new Client(database.url)
  await client.connect()
  atEndOfFile(() => client.end())
  return client
}

/** The one value of an answer. */
async function ask(client: Client | Pool, sql: string): Promise<unknown> {
  const { rows } = await client.query<unknown[]>({ text: sql, rowMode: 'array' })
  return rows[0]?.[0]
}

/** Null or empty: nobody. */
const whoRan = (client: Client | Pool): Promise<unknown> =>
  ask(client, `select pg_catalog.current_setting('spy.ran_as', true)`)

// Before the owner installs it, so that nothing is bound to them then.
const preparer = await connect()
for (const statement of IMITATIONS) await preparer.query(statement)
await database.install()
await preparer.query('select postgres_cache.settle_world()')

describe('objects of other schemas that are named like those of pg_catalog and of the cache', () => {
  it.each(['"$user", public', 'public, pg_temp, pg_catalog', 'pg_temp, public, postgres_cache, pg_catalog'])(
    'change nothing with search_path = %s',
    async (searchPath) => {
      const client = await connect()
      for (const name of TEMPORARY)
        await client.query(`create temporary table ${name} (key text, id text, oid oid)`)
      await client.query(
        'drop table if exists public.mine; create table public.mine (id integer, name varchar)',
      )
      await client.query(`set search_path = ${searchPath}`)

      const set = `select postgres_cache.set('row:1', '"value"', '1h', '{tag}')`
      const get = `select postgres_cache.get('row:1')::pg_catalog.varchar`
      expect(await ask(client, set)).toBe(true)
      expect(await ask(client, get)).toBe('"value"')
      expect(await ask(client, 'select value from postgres_cache.live_entries')).toBe('value')
      await client.query(`select postgres_cache.invalidate_tags('tag')`)
      expect(await ask(client, get)).toBeNull()

      await client.query(`select postgres_cache.watch('public.mine', array['row:{id}'::pg_catalog.varchar])`)
      expect(await ask(client, 'select table_name from postgres_cache.watches()')).toMatch(/mine$/)
      await client.query(set)
      await client.query(`insert into public.mine values (2, 'another')`)
      expect(await ask(client, get)).toBe('"value"')
      await client.query(`insert into public.mine values (1, 'first')`)
      expect(await ask(client, get)).toBeNull()
      await client.query(set)
      await client.query(`update public.mine set id = 3 where id operator(pg_catalog.=) 1`)
      expect(await ask(client, get)).toBeNull()

      await client.query(set)
      expect(await ask(client, `select postgres_cache.delete('row:1')`)).toBe('1')
      expect(await ask(client, 'select postgres_cache.prune()')).toBe('1')
      await client.query(set)
      await client.query(`select postgres_cache.invalidate_prefix('other')`)
      expect(await ask(client, get)).toBe('"value"')
      await client.query(`select postgres_cache.invalidate_prefix('row')`)
      expect(await ask(client, get)).toBeNull()
      expect(await ask(client, 'select pg_catalog.count(*) from pg_temp.entries')).toBe('0')
      expect(await whoRan(client)).toBeNull()
    },
  )

  it('change nothing for the library', async () => {
    const pool = new Pool({ connectionString: database.url, max: 1 })
    const failures: unknown[] = []
    {
      await using cache = new PostgresCache({ pool, migrate: false, local: false, pruneInterval: 20 })
      cache.on('error', ({ error }) => failures.push(error))
      const swept = new Promise((resolve) => cache.on('swept', resolve))
      await cache.setMany([
        ['a', 1],
        ['b', 2],
      ])
      expect(await cache.getMany(['a', 'b', 'c'])).toEqual([1, 2, undefined])
      expect(await cache.getOrSet('c', () => 3, { tags: ['t'] })).toBe(3)
      expect(await cache.increment('a', { by: 2 })).toBe(3)
      expect(await cache.deleteMany(['b', 'x'])).toEqual([true, false])
      expect(await collect(cache.keys({ prefix: 'a' }))).toEqual(['a'])
      await cache.invalidateTags('t')
      await cache.sync()
      expect(await cache.get('c')).toBeUndefined()
      await swept
    }
    expect(await whoRan(pool)).toBeNull()
    await pool.end()
    expect(failures).toEqual([])
  })
})

describe('a role with its own tables gets its code to run as nobody else', () => {
  const ENUM = `
    create type public.colour as enum ('red');
    create function public.print(public.colour) returns text language plpgsql as $$
    begin
      perform pg_catalog.set_config('spy.ran_as', current_user, false);
      return 'red';
    end $$;
    create cast (public.colour as text) with function public.print(public.colour)`

  const ATTACKS: Readonly<Record<string, readonly string[]>> = {
    'by a trigger without its transition table': [
      'create table public.own (id integer)',
      `create trigger t after insert on public.own for each statement execute function postgres_cache.watched('hints', 'krow:{id}')`,
      'create temporary view added as select public.pg_current_xact_id() as id',
      'grant select on added to public',
      'insert into public.own values (1)',
    ],
    'by one whose transition table has another name': [
      'create table public.own (id integer)',
      `create trigger t after update on public.own referencing old table as others new table as added
         for each statement execute function postgres_cache.watched('hints', 'krow:{id}')`,
      'create temporary view removed as select public.pg_current_xact_id()::text::integer as id',
      'grant select on removed to public',
      'insert into public.own values (1)',
      'update public.own set id = 2',
    ],
    'by a cast of a type of its own': [
      ENUM,
      'create table public.own (id public.colour)',
      `create trigger t after insert on public.own referencing new table as added
         for each statement execute function postgres_cache.watched('hints', 'krow:{id}')`,
      `insert into public.own values ('red')`,
    ],
    'by a column of a watched table that changes its type': [
      ENUM,
      'create table public.own (id integer)',
      `select postgres_cache.watch('public.own', array['row:{id}'])`,
      `alter table public.own alter column id type public.colour using 'red'`,
      `insert into public.own values ('red')`,
    ],
    ...Object.fromEntries(
      [
        ['entries_updated', 'update', 'replaced'],
        ['entries_deleted', 'delete', 'removed'],
        ['invalidations_appended', 'insert', 'appended'],
        ['prefix_invalidations_appended', 'insert', 'appended'],
      ].map(([name, operation, relation]) => [
        `by ${name}() on a table of its own`,
        [
          'create table public.own (id integer)',
          `create trigger t after ${operation} on public.own for each statement execute function postgres_cache.${name}()`,
          `create temporary view ${relation} as
             select public.substr('', 1) as key, 'infinity'::timestamptz as expires_at, '1'::xid8 as written_by,
               public.substr('', 1) as target, public.substr('', 1) as prefix`,
          `grant select on ${relation} to public`,
          'insert into public.own values (1); update public.own set id = 2; delete from public.own',
        ],
      ]),
    ),
  }

  it.each(Object.entries(ATTACKS))('%s', async (_, statements) => {
    await database.query('drop table if exists public.own; drop type if exists public.colour cascade')
    // As a role that nobody has narrowed to what it needs.
    await database.query(`grant execute on all functions in schema postgres_cache to "${application}"`)
    const client = await connect()
    for (const statement of statements) {
      await client.query(statement).catch((error: { code: string }) => {
        if (error.code !== '42809') throw error
      })
    }
    expect(await whoRan(client)).toBeOneOf([null, ''])
  })
})
