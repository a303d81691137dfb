import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { nextEvent } from '../next-event.ts'
import { Follower } from './follower.ts'

const database = await createDatabase()
const connectionString = database.url
await database.install()
await database.query('select postgres_cache.settle_world()')

const clients = Array.from({ length: 6 }, () => new Client(connectionString))
const [first, second, third, ...pooled] = clients as [Client, Client, Client, ...Client[]]
beforeAll(() => Promise.all(clients.map((client) => client.connect())))
afterAll(() => Promise.all(clients.map((client) => client.end())))

/** Without a hint: what is heard here is heard in the feed. */
function invalidate(client: Client, ...keys: string[]): Promise<unknown> {
  return client.query(`select postgres_cache.append_quietly(array(select 'k' || unnest($1::text[])), null)`, [
    keys,
  ])
}

describe('the feed, read over another connection each time, tells of a change once, and never before its commit,', () => {
  it('when the transaction with the smaller id commits last', async () => {
    const follower = await Follower.begin(pooled)
    await first.query('begin')
    await invalidate(first, 'early id, late commit')
    await second.query('begin')
    await invalidate(second, 'late id, early commit')
    expect(await follower.hear()).toEqual([])
    await second.query('commit')
    expect(await follower.hear()).toEqual(['late id, early commit'])
    expect(await follower.hear()).toEqual([])
    await first.query('commit')
    expect(await follower.hear()).toEqual(['early id, late commit'])
    expect(await follower.hear()).toEqual([])
  })

  it('when a transaction has an id, writes nothing for long, and then writes', async () => {
    const follower = await Follower.begin(pooled)
    await first.query('begin')
    await first.query('select pg_current_xact_id()')
    await invalidate(second, 'meanwhile')
    expect(await follower.hear()).toEqual(['meanwhile'])
    await invalidate(first, 'at last')
    expect(await follower.hear()).toEqual([])
    await first.query('commit')
    expect(await follower.hear()).toEqual(['at last'])
    expect(await follower.hear()).toEqual([])
  })

  it('when one transaction writes before and after a read', async () => {
    const follower = await Follower.begin(pooled)
    await first.query('begin')
    await invalidate(first, 'before')
    expect(await follower.hear()).toEqual([])
    await invalidate(first, 'after')
    await first.query('commit')
    expect(await follower.hear()).toEqual(['after', 'before'])
    expect(await follower.hear()).toEqual([])
  })

  it('when it was made after a savepoint that is released', async () => {
    const follower = await Follower.begin(pooled)
    await first.query('begin; savepoint one')
    await invalidate(first, 'released')
    await first.query('savepoint two')
    await invalidate(first, 'released, nested')
    expect(await follower.hear()).toEqual([])
    await first.query('release one')
    expect(await follower.hear()).toEqual([])
    await invalidate(first, 'top')
    await first.query('commit')
    expect(await follower.hear()).toEqual(['released', 'released, nested', 'top'])
    expect(await follower.hear()).toEqual([])
  })

  it('and not at all when its savepoint or its transaction is rolled back', async () => {
    const follower = await Follower.begin(pooled)
    await first.query('begin')
    await invalidate(first, 'kept')
    await first.query('savepoint one')
    await invalidate(first, 'undone')
    await first.query('rollback to one')
    await invalidate(first, 'kept too')
    await second.query('begin')
    await invalidate(second, 'rolled back')
    await first.query('commit')
    await second.query('rollback')
    expect(await follower.hear()).toEqual(['kept', 'kept too'])
    expect(await follower.hear()).toEqual([])
  })

  it('when a block of PL/pgSQL catches an exception around it', async () => {
    const follower = await Follower.begin(pooled)
    await first.query(`
      do $$
      begin
        for i in 1..5 loop
          begin
            perform postgres_cache.append_quietly(array['kblock ' || i], null);
            if i % 2 = 0 then raise exception 'undone'; end if;
          exception when raise_exception then null;
          end;
        end loop;
      end
      $$`)
    expect(await follower.hear()).toEqual(['block 1', 'block 3', 'block 5'])
  })

  // Beyond 64 of them a server no longer keeps the ids of subtransactions in shared memory.
  it('when there are more subtransactions than snapshots can hold', async () => {
    const follower = await Follower.begin(pooled)
    const keys = Array.from({ length: 100 }, (_, i) => `sub ${String(i).padStart(3, '0')}`)
    await first.query('begin')
    for (const key of keys) {
      await first.query('savepoint s')
      await invalidate(first, key)
      await first.query('release s')
    }
    await invalidate(second, 'beside them')
    expect(await follower.hear()).toEqual(['beside them'])
    await first.query('commit')
    expect(await follower.hear()).toEqual(keys)
    expect(await follower.hear()).toEqual([])
  })

  it('while an old transaction holds xmin and thousands of others commit', async () => {
    const follower = await Follower.begin(pooled)
    await third.query('begin')
    await invalidate(third, 'long')
    for (let round = 0; round < 4; round++) {
      await first.query(`
        do $$
        begin
          for i in 1..1000 loop
            perform postgres_cache.append_quietly(array['kmany'], null);
            commit;
          end loop;
        end
        $$`)
      expect(await follower.hear()).toEqual(Array(1000).fill('many'))
    }
    expect(await follower.hear()).toEqual([])
    await third.query('commit')
    expect(await follower.hear()).toEqual(['long'])
    expect(await follower.hear()).toEqual([])
  })

  it('with synchronous_commit = off, as soon as the commit is acknowledged', async () => {
    const follower = await Follower.begin(pooled)
    await first.query('set synchronous_commit = off')
    for (let i = 0; i < 100; i++) {
      await invalidate(first, `asynchronous ${i}`)
      expect(await follower.hear()).toEqual([`asynchronous ${i}`])
    }
    await first.query('reset synchronous_commit')
  })

  it('for many writers at once, some of which roll back', async () => {
    const follower = await Follower.begin(pooled)
    const committed = new Set<string>()
    const heard: string[] = []
    const write = async (client: Client, name: string): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        const [kept, undone] = [`${name} ${i}`, `${name} ${i} undone`]
        await client.query('begin')
        await invalidate(client, kept)
        await client.query('savepoint s')
        await invalidate(client, undone)
        await client.query(i % 3 === 0 ? 'release s' : 'rollback to s')
        if (i % 4 === 0) await client.query('rollback')
        else {
          await client.query('commit')
          committed.add(kept)
          if (i % 3 === 0) committed.add(undone)
        }
      }
    }
    const writers = [first, second, third].map((client, i) => write(client, `writer ${i}`))
    const follow = async (): Promise<void> => {
      const acknowledged = [...committed]
      heard.push(...(await follower.hear()))
      const known = new Set(heard)
      expect(acknowledged.filter((key) => !known.has(key))).toEqual([])
    }
    const written = new AbortController()
    const done = Promise.all(writers).finally(() => written.abort())
    while (!written.signal.aborted) await follow()
    await done
    await follow()
    expect(heard.toSorted()).toEqual([...committed].toSorted())
  })
})

/** A candidate, a floor, and what lies below it removed. */
async function trimFeed(): Promise<void> {
  for (let i = 0; i < 2; i++) await database.query('select postgres_cache.begin_sweep(0, 30000, 0)')
  await database.query(`select postgres_cache.forget_changes('0', 100000)`)
}

describe('the feed forgets what lies below its floor', () => {
  it('a step at a time, also within a transaction, and nothing that was not committed by then', async () => {
    await trimFeed()
    await first.query('begin')
    await invalidate(first, 'left open')
    await second.query('begin')
    for (let i = 0; i < 25; i++) await invalidate(second, `change ${i}`)
    await second.query('commit')
    await invalidate(second, 'one more')
    for (let i = 0; i < 2; i++) await database.query('select postgres_cache.begin_sweep(0, 30000, 0)')
    await first.query('commit')
    await invalidate(second, 'above the floor')

    const left: number[] = []
    for (let from: string | null = '0'; from !== null;) {
      const [row]: { next: string | null }[] = await database.query(
        'select postgres_cache.forget_changes($1, 10) as next',
        [from],
      )
      from = row?.next ?? null
      left.push((await database.query('select from postgres_cache.feed')).length)
    }
    expect(left).toEqual([18, 8, 2])
    expect(await database.query('select keys from postgres_cache.feed order by txid')).toEqual([
      { keys: ['left open'] },
      { keys: ['above the floor'] },
    ])
  })
})

describe('the feed owns up to a gap', () => {
  it('without a cursor', async () => {
    expect(await new Follower(pooled).read()).toMatchObject({ complete: false, changes: [] })
  })

  it('when it was trimmed beyond the cursor', async () => {
    const follower = await Follower.begin(pooled)
    await invalidate(first, 'trimmed')
    await trimFeed()
    expect(await database.query('select from postgres_cache.feed')).toEqual([])
    expect(await follower.read()).toMatchObject({ complete: false })
    await invalidate(first, 'after the gap')
    expect(await follower.hear()).toEqual(['after the gap'])
  })

  it('but not when it was trimmed up to the cursor only', async () => {
    await database.query('select postgres_cache.begin_sweep(0, 30000, 0)')
    const follower = await Follower.begin(pooled)
    await database.query('select postgres_cache.begin_sweep(0, 30000, 0)')
    await invalidate(first, 'above the floor')
    expect(await follower.hear()).toEqual(['above the floor'])
  })

  it('when more has changed than one read returns', async () => {
    const follower = await Follower.begin(pooled)
    const append = (rows: number): Promise<unknown> =>
      database.query(
        `insert into postgres_cache.feed (keys) select array['many'] from generate_series(1, $1)`,
        [rows],
      )
    await append(9_999)
    expect(await follower.hear()).toHaveLength(9_999)
    await append(10_000)
    expect(await follower.read()).toMatchObject({ complete: false })
    expect(await follower.hear()).toEqual([])
  })

  it('when few changes name more keys than a local cache has room for, of which it sends no more than it must', async () => {
    const follower = await Follower.begin(pooled)
    const append = (rows: number): Promise<unknown> =>
      database.query(
        `insert into postgres_cache.feed (keys)
         select (select array_agg('key ' || i) from generate_series(1, 10000) as i) from generate_series(1, $1)`,
        [rows],
      )
    await append(6)
    expect(await follower.hear()).toHaveLength(60_000)
    await append(100)
    const { complete, changes } = await follower.read()
    expect(complete).toBe(false)
    expect(changes).toHaveLength(7)
    expect(await follower.hear()).toEqual([])
  })

  it('when the cursor comes from a future that a restored server has forgotten', async () => {
    const [ahead] = await database.query<{ snapshot: string }>(
      `select format('%s:%s:', xmax, xmax) as snapshot
       from (select pg_snapshot_xmax(pg_current_snapshot())::text::bigint + 1000 as xmax) as s`,
    )
    const follower = await Follower.begin(pooled)
    expect(await follower.read()).toMatchObject({ complete: true })
    expect(await follower.readFrom(ahead?.snapshot ?? '')).toMatchObject({ complete: false })
  })
})

/** A cache that holds these keys locally, and what it has evicted since. */
async function holding(keys: readonly string[]): Promise<{ cache: PostgresCache; evicted: string[] }> {
  const cache = new PostgresCache({ connectionString, notifications: 'poll', maxStaleness: '10m' })
  const evicted: string[] = []
  await cache.connect()
  await cache.setMany(keys.map((key) => [key, 'old']))
  expect(keys.map((key) => cache.peek(key))).toEqual(keys.map(() => 'old'))
  cache.on('evicted', ({ key }) => evicted.push(key))
  return { cache, evicted }
}

describe('sync()', () => {
  it('hears once, and never before the commit, of what a transaction of somebody else has touched', async () => {
    const { cache, evicted } = await holding(['touched', 'rolled back'])
    await using _ = cache
    await first.query('begin')
    await invalidate(first, 'touched')
    await second.query('begin')
    await invalidate(second, 'rolled back')
    for (let i = 0; i < 3; i++) await cache.sync()
    expect(cache.peek('touched')).toBe('old')
    await first.query('commit')
    await second.query('rollback')
    await cache.sync()
    expect(evicted).toEqual(['touched'])
    await cache.set('touched', 'new')
    for (let i = 0; i < 3; i++) await cache.sync()
    expect(evicted).toEqual(['touched'])
    expect([cache.peek('touched'), cache.peek('rolled back')]).toEqual(['new', 'old'])
  })

  it('keeps what a transaction of its own caller has touched out until it has ended, however that is', async () => {
    for (const end of ['commit', 'rollback']) {
      const { cache } = await holding(['own', 'other'])
      await using _ = cache
      await first.query('begin')
      await (await cache.withTransaction(first)).invalidate('own')
      await cache.sync()
      expect(await cache.get('own')).toBe('old')
      expect([cache.peek('own'), cache.peek('other')]).toEqual([undefined, 'old'])
      await first.query(end)
      expect(await cache.get('own')).toBe(end === 'commit' ? undefined : 'old')
      await cache.sync()
      await cache.get('own')
      expect(cache.peek('own')).toBe(end === 'commit' ? undefined : 'old')
    }
  })

  it('flushes the local cache when the feed was trimmed beyond the cursor', async () => {
    const { cache, evicted } = await holding(['a', 'b'])
    await using _ = cache
    const flushed = nextEvent(cache, 'flushed')
    await trimFeed()
    await cache.sync()
    expect(await flushed).toEqual({ reason: 'gap', entries: 2 })
    expect(evicted).toEqual([])
    expect(await cache.getMany(['a', 'b'])).toEqual(['old', 'old'])
    expect(cache.peek('a')).toBe('old')
  })

  it('flushes the local cache when too much has changed to be judged one by one', async () => {
    const { cache } = await holding(['a', 'b'])
    await using _ = cache
    const flushed = nextEvent(cache, 'flushed')
    await database.query(
      `insert into postgres_cache.feed (keys) select array['x'] from generate_series(1, 10000)`,
    )
    await cache.sync()
    expect(await flushed).toEqual({ reason: 'gap', entries: 2 })
  })
})
