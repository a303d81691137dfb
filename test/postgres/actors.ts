// The actors of a cached read and a write that race, and of the sweep, step by step as the SQL functions take them.

import type { Client } from 'pg'
import type { Scene } from './stage.ts'
import type { Schedule, Step } from './schedules.ts'

const MINUTE_MS = 60_000

type SceneStep = Step<Scene>

async function snapshotOf(client: Client): Promise<string> {
  const { rows } = await client.query<{ snapshot: string }>('select pg_current_snapshot()::text as snapshot')
  return rows[0]?.snapshot ?? ''
}

function setOn(
  client: Client,
  { key }: Scene,
  snapshot: string,
  value: string,
  ttlMs: number,
): Promise<unknown> {
  return client.query(
    `select postgres_cache.set_in_transaction($1, $2, $3, null, null, array['tag of ' || $2], $4, $4)`,
    [snapshot, key, value, ttlMs],
  )
}

/** What a transaction that changes the source row does between its begin and its end. */
export const writing = {
  change: {
    name: 'change',
    run: ({ writer, key }) => writer.query(`update source set value = '2' where key = $1`, [key]),
  },
  set: {
    name: 'set',
    run: (scene) => setOn(scene.writer, scene, scene.seen.get('writer snapshot') ?? '', '2', MINUTE_MS),
  },
  /** What it stores has expired long ago, so that the sweep may remove it at once. */
  setExpired: {
    name: 'set, expired',
    run: (scene) => setOn(scene.writer, scene, scene.seen.get('writer snapshot') ?? '', '2', -2 * MINUTE_MS),
  },
  invalidateKey: invalidation('invalidate', `array['k' || $1], null`),
  invalidateTag: invalidation('invalidate tag', `array['ttag of ' || $1], null`),
  invalidatePrefix: invalidation('invalidate prefix', `null, array['k' || $1]`),
} as const satisfies Record<string, SceneStep>

function invalidation(name: string, targets: string): SceneStep {
  return {
    name,
    run: ({ writer, key }) =>
      writer.query(`select postgres_cache.append_invalidations(${targets.replaceAll('$1', '$1::text')})`, [
        key,
      ]),
  }
}

/** A caller's transaction: withTransaction() follows its begin. */
export function writingTransaction(steps: readonly SceneStep[], end: 'commit' | 'rollback'): Schedule<Scene> {
  const begin: SceneStep = {
    name: 'begin',
    run: async ({ writer: client, seen }) => {
      await client.query('begin')
      seen.set('writer snapshot', await snapshotOf(client))
    },
  }
  return [begin, ...steps, { name: end, run: ({ writer: client }) => client.query(end) }]
}

/** getOrSet behind a miss. */
export function loader(name = ''): [token: SceneStep, load: SceneStep, fill: SceneStep] {
  const token = `${name} token`
  const loaded = `${name} loaded`
  return [
    {
      name: `${name}token`,
      run: async ({ reader, seen }) => seen.set(token, await snapshotOf(reader)),
    },
    {
      name: `${name}load`,
      run: async ({ reader, key, seen }) => seen.set(loaded, await readSource(reader, key)),
    },
    {
      name: `${name}fill`,
      run: ({ reader, key, seen }) =>
        reader
          .query(
            `select * from postgres_cache.write_entries(
               (select s.world::text from postgres_cache.state as s), '2ms', array[$1], array[$2], null, null,
               array[array['tag of ' || $1]::text], array[$4::float8], array[$4::float8], array[$3::pg_snapshot]
             )`,
            [key, seen.get(loaded), seen.get(token), MINUTE_MS],
          )
          // Its row is held by the writer: the library tries again and gives up in the end.
          .catch(ignoreLockTimeout),
    },
  ]
}

/** A transaction that caches what it has read. */
export function readingTransaction(
  isolation = 'read committed',
): [begin: SceneStep, read: SceneStep, set: SceneStep, commit: SceneStep] {
  return [
    {
      name: 'begin reading',
      run: async ({ reader, seen }) => {
        await reader.query(`begin isolation level ${isolation}`)
        seen.set('reader snapshot', await snapshotOf(reader))
      },
    },
    {
      name: 'read source',
      run: async ({ reader, key, seen }) => seen.set('read', await readSource(reader, key)),
    },
    {
      name: 'set what was read',
      run: (scene) =>
        setOn(
          scene.reader,
          scene,
          scene.seen.get('reader snapshot') ?? '',
          scene.seen.get('read') ?? '',
          MINUTE_MS,
        ),
    },
    { name: 'commit', run: ({ reader }) => reader.query('commit') },
  ]
}

/** Somebody else's transaction, which moves the xmax of later snapshots. It borrows the connection of a loader. */
export const bystander: SceneStep = {
  name: 'bystander',
  run: ({ reader }) => reader.query('select pg_current_xact_id()'),
}

/** What anybody may do to the entry meanwhile, and what keeps its value. */
export const upkeep: readonly SceneStep[] = [
  onEntry('touch', `touch_entries(world, '2ms', array[$1::text], array[$2::float8], false)`),
  onEntry('expire', `touch_entries(world, '2ms', array[$1::text], array[$2::float8], true)`),
  together(
    onEntry('increment by nothing', `increment_entry(world, '2ms', $1, 0, array['tag of ' || $1], $2, $2)`),
    // Where nothing was valid it begins anew, at what no source row holds.
    {
      name: 'unless it began',
      run: ({ query, key }) =>
        query(`delete from postgres_cache.entries where key = $1 and value = '0'`, [key]),
    },
  ),
  onEntry('take', `take_entry(world, '2ms', $1)`),
  onEntry('remove', 'remove_entries(world, array[$1::text])'),
  onEntry('evict', 'evict_blocks(0, 1000000, 1000000, false)'),
  onEntry('prune', 'prune_blocks(0, 1000000, 1000000)'),
]

function onEntry(name: string, call: string): SceneStep {
  return {
    name,
    run: ({ query, key }) =>
      query(
        `select * from (select s.world::text, $1::text, $2::float8 from postgres_cache.state as s) as s, postgres_cache.${call}`,
        [key, MINUTE_MS],
      ).catch(ignoreLockTimeout),
  }
}

/** Steps that nobody can tell apart are taken as one. */
export function together(...steps: readonly SceneStep[]): SceneStep {
  return {
    name: steps.map(({ name }) => name).join(' + '),
    run: async (scene) => {
      for (const step of steps) await step.run(scene)
    },
  }
}

// One sweep at a time, so its steps are shared by all schedules that run side by side. Time passes by moving the timestamps of the state back.

const beginSweep = `select postgres_cache.begin_sweep(0, ${MINUTE_MS}, ${MINUTE_MS})`
const turnHand = 'select wrapped from postgres_cache.sweep_blocks(1000000, 100000)'

/** The load fence, and what it allows to remove. */
export const removal: Schedule<Scene> = [
  shared('load candidate', ['update postgres_cache.state set load_candidate = null', beginSweep]),
  shared('publish L', [
    `update postgres_cache.state set load_candidate_at = load_candidate_at - interval '2 minutes'`,
    beginSweep,
  ]),
  shared('remove expired', [
    `update postgres_cache.state set load_fence_at = load_fence_at - interval '2 minutes'`,
    beginSweep,
    turnHand,
  ]),
]

/** The trim fence. */
export const trim: Schedule<Scene> = [
  shared('trim candidate', ['select postgres_cache.begin_trim(0)']),
  shared('re-stamp', [turnHand, turnHand]),
  shared('publish F', [
    `update postgres_cache.state set trim_candidate_at = trim_candidate_at - interval '2 minutes'`,
    `select postgres_cache.end_trim(${MINUTE_MS})`,
  ]),
  shared('forget', [
    `select postgres_cache.forget_changes('0', 100000)`,
    'select postgres_cache.forget_invalidations(100000)',
  ]),
]

/** Beyond a cap: all that is live goes, and what has expired loses its value. */
export const eviction: Schedule<Scene> = [
  shared(
    'evict',
    [false, true].map((expired) => `select postgres_cache.evict_blocks(0, 1000000, 100000, ${expired})`),
  ),
]

function shared(name: string, statements: readonly string[]): SceneStep {
  return {
    name,
    shared: true,
    run: async ({ query }) => {
      for (const statement of statements) await query(statement)
    },
  }
}

async function readSource(client: Client, key: string): Promise<string> {
  const { rows } = await client.query<{ value: string }>('select value from source where key = $1', [key])
  return rows[0]?.value ?? ''
}

function ignoreLockTimeout(error: { code?: string }): void {
  if (error.code !== '55P03') throw error
}
