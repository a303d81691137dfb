// Watches of tables with partitions or children below them: a statement trigger of one of them does not see statements that name another.

import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Watch, PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { runAs } from '../run-as.ts'

const database = await createDatabase()
const connectionString = database.url
const cache = new PostgresCache({ connectionString })
await cache.connect()
afterAll(() => cache.close())

async function findWatch(table: string): Promise<Watch | undefined> {
  return (await cache.watches()).find((watch) => watch.table === `public.${table}`)
}

/** Whether the key is still cached after the change. */
async function survives(key: string, change: string): Promise<boolean> {
  await cache.set(key, 1)
  await database.query(change)
  return (await cache.get(key, { fresh: true })) === 1
}

describe('a watched table that others inherit from', () => {
  it('is watched with its children, whichever of them a statement names', async () => {
    await runAs(
      connectionString,
      `
      create table cities (id integer);
      create table capitals (state text) inherits (cities);
      create table old_capitals () inherits (capitals)`,
    )
    await cache.watch('cities', { keys: ['city:{id}'] })
    for (const table of ['cities', 'capitals', 'old_capitals']) {
      expect(await survives('city:1', `insert into ${table} values (1)`)).toBe(false)
      expect(await survives('city:1', `update ${table} set id = 2 where id = 1`)).toBe(false)
      expect(await survives('city:1', `update ${table} set id = 1 where id = 2`)).toBe(false)
      expect(await survives('city:1', `update cities set id = id`)).toBe(false)
      expect(await survives('city:1', `delete from ${table}`)).toBe(false)
      expect(await survives('city:1', `truncate ${table}`)).toBe(false)
    }
    expect(await cache.watches()).toMatchObject([{ table: 'public.cities', unwatchedPartitions: [] }])
  })

  it('lists children that were created later, until it is watched again', async () => {
    await runAs(connectionString, 'create table new_capitals () inherits (capitals)')
    expect(await findWatch('cities')).toMatchObject({ unwatchedPartitions: ['public.new_capitals'] })
    await cache.watch('cities', { keys: ['city:{id}'] })
    expect(await findWatch('cities')).toMatchObject({ unwatchedPartitions: [] })
    expect(await survives('city:1', 'insert into new_capitals values (1)')).toBe(false)
    expect(await cache.unwatch('cities')).toBe(true)
    expect(await survives('city:1', 'insert into new_capitals values (1)')).toBe(true)
  })

  it('lets a child be watched by itself where its parent is not', async () => {
    await runAs(
      connectionString,
      `
      create table stamped (at timestamptz);
      create table posts (id integer) inherits (stamped)`,
    )
    await cache.watch('posts', { keys: ['post:{id}'] })
    expect(await survives('post:1', 'insert into posts values (now(), 1)')).toBe(false)
  })
})

describe('a part of a watched table', () => {
  it('is not watched with other patterns, which would take the place of those of its parent', async () => {
    await runAs(
      connectionString,
      `
      create table events (id integer, part text) partition by list (part);
      create table events_a partition of events for values in ('a') partition by list (id);
      create table events_a_1 partition of events_a for values in (1);
      create table animals (id integer);
      create table dogs (breed text) inherits (animals)`,
    )
    await cache.watch('events', { keys: ['event:{id}'] })
    await cache.watch('animals', { keys: ['animal:{id}'] })
    const refused = {
      code: 'invalid-option',
      message: expect.stringMatching(/is a part of .*: watch public\.(events|animals), with these patterns/),
    }
    await expect(cache.watch('events_a', { keys: ['other:{id}'] })).rejects.toMatchObject(refused)
    await expect(cache.watch('events_a_1', { keys: ['other:{id}'] })).rejects.toMatchObject(refused)
    await expect(cache.watch('dogs', { keys: ['dog:{breed}'] })).rejects.toMatchObject(refused)
    expect(await survives('event:1', `insert into events_a_1 values (1, 'a')`)).toBe(false)
    expect(await survives('animal:1', 'insert into dogs values (1)')).toBe(false)
    // Statements that name the parent would go unnoticed, watched or not.
    await cache.unwatch('events')
    await expect(cache.watch('events_a', { keys: ['other:{id}'] })).rejects.toMatchObject(refused)
  })

  it('that was watched before it became one is listed, and has to be unwatched first', async () => {
    await runAs(
      connectionString,
      `
      create table orders (id integer, year integer) partition by list (year);
      create table orders_2026 (id integer, year integer)`,
    )
    await cache.watch('orders', { keys: ['order:{id}'] })
    await cache.watch('orders_2026', { keys: ['of 2026:{id}'] })
    await runAs(connectionString, 'alter table orders attach partition orders_2026 for values in (2026)')
    expect(await findWatch('orders')).toMatchObject({ unwatchedPartitions: ['public.orders_2026'] })
    expect(await findWatch('orders_2026')).toMatchObject({ keys: ['of 2026:{id}'] })
    await expect(cache.watch('orders', { keys: ['order:{id}'] })).rejects.toMatchObject({
      code: 'invalid-option',
      message: expect.stringContaining(`call unwatch('public.orders_2026')`),
    })
    expect(await survives('of 2026:1', 'insert into orders_2026 values (1, 2026)')).toBe(false)
    await cache.unwatch('orders_2026')
    await cache.watch('orders', { keys: ['order:{id}', 'of {year}:{id}'] })
    expect(await findWatch('orders')).toMatchObject({ unwatchedPartitions: [] })
    expect(await findWatch('orders_2026')).toBeUndefined()
    expect(await survives('of 2026:1', 'insert into orders_2026 values (1, 2026)')).toBe(false)
    expect(await survives('order:1', 'insert into orders_2026 values (1, 2026)')).toBe(false)
  })
})

describe('a table with a foreign table below it', () => {
  it('is not watched: every statement that names it would fail', async () => {
    await database.query(`
      create foreign data wrapper nothing;
      create server elsewhere foreign data wrapper nothing;
      create table measures (id integer, part text) partition by list (part);
      create table measures_a partition of measures for values in ('a');
      create foreign table measures_f partition of measures for values in ('f') server elsewhere;
      create table base (id integer);
      create foreign table derived () inherits (base) server elsewhere`)
    await expect(cache.watch('measures', { keys: ['m:{id}'] })).rejects.toMatchObject({
      code: 'invalid-option',
      message: expect.stringMatching(
        /measures cannot be watched, because public\.measures_f .*foreign table/,
      ),
    })
    await expect(cache.watch('base', { keys: ['b:{id}'] })).rejects.toMatchObject({ code: 'invalid-option' })
    await database.query(`insert into measures values (1, 'a')`)

    await database.query('alter table measures detach partition measures_f')
    await database.query('select postgres_cache.watch($1, $2)', ['measures', ['m:{id}']])
    await database.query(`alter table measures attach partition measures_f for values in ('f')`)
    expect(await findWatch('measures')).toMatchObject({ unwatchedPartitions: ['public.measures_f'] })
  })
})

describe('the locks of watch()', () => {
  const onlooker = new Client({ connectionString, application_name: 'test' })
  beforeAll(() => onlooker.connect())
  afterAll(() => onlooker.end())
  // What failed leaves nothing locked for the next.
  afterEach(() => database.query('rollback'))

  async function awaitWaiters(table: string, count: number): Promise<void> {
    for (;;) {
      const { rows } = await onlooker.query(
        `select from pg_locks where not granted and relation = '${table}'::regclass`,
      )
      if (rows.length >= count) return
    }
  }

  it('are taken in the order of a statement that names the parent', async () => {
    await runAs(
      connectionString,
      `
      create table locked (id integer, part text) partition by list (part);
      ${['e', 'c', 'f'].map((part) => `create table locked_${part} (like locked)`).join(';')};
      create table locked_d (like locked) partition by list (id);
      create table locked_d_1 partition of locked_d for values in (1);
      ${['a', 'b'].map((part) => `create table locked_${part} (like locked)`).join(';')};
      ${['a', 'b', 'c', 'd', 'e', 'f'].map((part) => `alter table locked attach partition locked_${part} for values in ('${part}')`).join(';')}`,
    )
    const relations = await database.query<{ name: string }>(
      `select r::text as name from postgres_cache.watched_relations('locked') as r`,
    )
    expect(relations.map(({ name }) => name)).toEqual(
      ['', '_e', '_c', '_f', '_d', '_a', '_b', '_d_1'].map((part) => `locked${part}`),
    )
  })

  it('make no writer the victim of a deadlock, and are had beside short transactions', async () => {
    await database.query(`begin; set local deadlock_timeout = '500ms'; insert into locked_c values (1, 'c')`)
    const watching = cache.watch('locked', { keys: ['locked:{id}'] })
    await awaitWaiters('locked_c', 1)
    await database.query(`insert into locked values (1, 'f')`)
    await database.query('commit')
    await watching
    expect(await findWatch('locked')).toMatchObject({ unwatchedPartitions: [] })
  })

  it('are given up where a transaction stays open, with an error that says so', async () => {
    await runAs(connectionString, 'create table busy (id integer)')
    await database.query('begin; insert into busy values (1)')
    await expect(cache.watch('busy', { keys: ['busy:{id}'] })).rejects.toMatchObject({
      code: 'locked',
      message: expect.stringContaining('call watch() again'),
    })
    await database.query('commit')
    await cache.watch('busy', { keys: ['busy:{id}'] })
    await database.query('begin; insert into busy values (1)')
    await expect(cache.unwatch('busy')).rejects.toMatchObject({ code: 'locked' })
    await expect(runAs(connectionString, `select postgres_cache.unwatch('busy')`)).rejects.toThrow(
      'public.busy or a table below it is locked by another transaction',
    )
    await database.query('commit')
  })

  it('let several processes watch at once', async () => {
    await runAs(connectionString, 'create table shared (id integer)')
    await database.query('begin; insert into shared values (1)')
    const watch = `select postgres_cache.watch('shared', array['shared:{id}'])`
    const watching = [1, 2, 3].map(() => runAs(connectionString, watch))
    await awaitWaiters('shared', 2)
    await database.query('commit')
    await Promise.all(watching)
    expect(await findWatch('shared')).toMatchObject({ unwatchedPartitions: [] })
  })
})
