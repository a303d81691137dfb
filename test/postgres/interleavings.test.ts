// Writers, loaders and the sweep in every order. In every snapshot a valid entry equals its source row; and without either fence it would not.

import { describe, expect, it } from 'vitest'
import type { TestDatabase } from '../database.ts'
import {
  bystander,
  eviction,
  loader,
  readingTransaction,
  removal,
  together,
  trim,
  upkeep,
  writing,
  writingTransaction,
} from './actors.ts'
import { interleavings, permutations, type Schedule, type Step } from './schedules.ts'
import { type Scene, Stage } from './stage.ts'

const { change, set, setExpired, invalidateKey, invalidateTag, invalidatePrefix } = writing
const PATIENCE_MS = 120_000

/** Transactions that change the source row. Nobody else can see in which order they append, so tags and prefixes come in one. */
const writers: Schedule<Scene>[] = [
  ...[
    [change, invalidateTag],
    [change, invalidatePrefix],
    ...permutations<Step<Scene>>([change, invalidateKey]),
    ...permutations<Step<Scene>>([change, set]),
    ...permutations<Step<Scene>>([change, invalidateKey, set]),
  ].map((steps) => writingTransaction(steps, 'commit')),
  ...permutations<Step<Scene>>([change, invalidateKey, set]).map((steps) =>
    writingTransaction(steps, 'rollback'),
  ),
]

/** Writes in one step, which is all that the others can tell apart. */
function briefWriter(...steps: Step<Scene>[]): [begin: Step<Scene>, write: Step<Scene>, commit: Step<Scene>] {
  const [begin, commit] = writingTransaction([], 'commit') as [Step<Scene>, Step<Scene>]
  return [begin, together(...steps), commit]
}

/** Loads as soon as it has its token: later it could only read something newer. */
function hastyLoader(name: string): [read: Step<Scene>, fill: Step<Scene>] {
  const [token, load, fill] = loader(name)
  return [together(token, load), fill]
}

/** An entry of the source row's value under each key. */
async function fillAll({ query }: TestDatabase, keys: readonly string[]): Promise<void> {
  await query(
    `select * from postgres_cache.write_entries(
       (select s.world::text from postgres_cache.state as s), '1s', $1, array_fill('1'::text, array[cardinality($1::text[])]),
       null, null, array(select array['tag of ' || k]::text from unnest($1::text[]) as k), $2, $2, null
     )`,
    [keys, keys.map(() => 60_000)],
  )
}

/** Takes text out of the definitions of what the schema holds. */
function without(...cuts: readonly { object: string; text: RegExp; by: string }[]) {
  return async ({ query }: TestDatabase): Promise<void> => {
    for (const { object, text, by } of cuts) {
      const isView = object === 'fenced_entries'
      const [row] = await query<{ definition: string }>(
        isView
          ? `select 'create or replace view postgres_cache.${object} as ' || pg_get_viewdef('postgres_cache.${object}') as definition`
          : `select pg_get_functiondef('postgres_cache.${object}'::regproc) as definition`,
      )
      const definition = row?.definition ?? ''
      expect(definition).toMatch(text)
      await query(definition.replace(text, by))
    }
  }
}

const withoutLoadFence = without(
  {
    object: 'write_entries',
    text: /pg_snapshot_xmax\(i\.token\) <= v_load_fence/,
    by: 'false',
  },
  {
    object: 'set_in_transaction',
    text: /pg_snapshot_xmax\(p_snapshot\) > pg_snapshot_xmax\(v_state\.load_fence\)/,
    by: 'true',
  },
)
const withoutTrimFence = without(
  {
    object: 'write_entries',
    text: /pg_snapshot_xmax\(i\.token\) <= v_trim_fence/,
    by: 'false',
  },
  {
    object: 'set_in_transaction',
    text: /pg_snapshot_xmax\(p_snapshot\) > pg_snapshot_xmax\(v_state\.trim_fence\)/,
    by: 'true',
  },
  {
    object: 'fenced_entries',
    text: /pg_snapshot_xmax\((e\.)?as_of\) > \( SELECT .*?FROM [^)]*state s\)/s,
    by: 'true',
  },
)

describe('in every interleaving, a valid entry equals its source row in every snapshot', () => {
  it('of a writing transaction and a load', { timeout: PATIENCE_MS }, async () => {
    await using stage = await Stage.open()
    const schedules = writers.flatMap((steps) => interleavings(steps, loader()))
    expect(await stage.findViolation(schedules)).toBeUndefined()
    expect(stage.compared).toBeGreaterThan(schedules.length)
  })

  it('of a writing transaction and one that caches what it has read', { timeout: PATIENCE_MS }, async () => {
    await using stage = await Stage.open()
    const schedules = writers.flatMap((steps) => interleavings(steps, readingTransaction()))
    expect(await stage.findViolation(schedules)).toBeUndefined()
    expect(stage.compared).toBeGreaterThan(schedules.length)
  })
})

describe('with what anybody may do to the entry in between', { timeout: PATIENCE_MS }, () => {
  const brief = [
    [change, invalidateTag],
    [change, invalidatePrefix],
    [change, invalidateKey],
    [change, set],
    [change, set, invalidateKey],
    [change, invalidateKey, set],
  ].map((steps) => briefWriter(...steps))
  const [token, load, fill] = loader()
  const schedules = brief.flatMap((writer) =>
    upkeep.flatMap((step) => interleavings(writer, [together(token, load), fill], [step])),
  )

  it('a valid entry equals its source row in every snapshot', async () => {
    await using stage = await Stage.open({ begin: fillAll })
    expect(await stage.findViolation(schedules)).toBeUndefined()
    expect(stage.compared).toBeGreaterThan(schedules.length)
  })

  it('that breaks if what is void may be touched', async () => {
    const touchingAll = without({ object: 'touch_entries', text: /valid_entries/, by: 'entries' })
    await using stage = await Stage.open({ begin: fillAll, prepare: touchingAll })
    expect(await stage.findViolation(schedules)).toMatch(/^cached 1, source 2 after .*touch/)
  })
})

// One after the other: side by side, schedules move each other's snapshots, and no two would have the same xmax.
describe('with two loads around a transaction that sets and does not invalidate', () => {
  const [begin, write, commit] = briefWriter(change, set)
  // Somebody else's later transaction ends at once, so that snapshots list this one as in progress instead of ending before it.
  const writeAtOnce = together(begin, write, bystander)
  const [newer, newerFill] = hastyLoader('newer ')
  const [older, olderFill] = hastyLoader('older ')
  const withTies = without({
    object: 'write_entries',
    text: /pg_snapshot_xmax\(e\.as_of\) < pg_snapshot_xmax\(excluded\.as_of\)/,
    by: 'pg_snapshot_xmax(e.as_of) <= pg_snapshot_xmax(excluded.as_of)',
  })

  it('a valid entry equals its source row in every snapshot', { timeout: PATIENCE_MS }, async () => {
    await using stage = await Stage.open()
    const schedules = interleavings(
      [writeAtOnce, commit],
      [newer, newerFill],
      [older, olderFill],
      [bystander],
    )
    expect(await stage.findViolation(schedules, 1)).toBeUndefined()
    expect(stage.compared).toBeGreaterThan(schedules.length)
  })

  it('that breaks if a load with the same xmax counts as older', async () => {
    await using stage = await Stage.open({ prepare: withTies })
    const schedule = [writeAtOnce, older, commit, newer, newerFill, olderFill]
    // Other tests use the same server: theirs may be the transaction that keeps the two snapshots apart.
    const attempts = Array.from({ length: 50 }, () => schedule)
    expect(await stage.findViolation(attempts, 1)).toMatch(/^cached 1, source 2 after step 6/)
  })
})

describe('with the removal of expired rows in between', { timeout: PATIENCE_MS }, () => {
  const [begin, read, ...setAndCommit] = readingTransaction()
  const schedules = [loader(), [together(begin, read), ...setAndCommit]].flatMap((reading) =>
    interleavings(briefWriter(change, setExpired), reading, removal),
  )

  it('a valid entry equals its source row in every snapshot', async () => {
    await using stage = await Stage.open()
    expect(await stage.findViolation(schedules)).toBeUndefined()
    expect(stage.compared).toBeGreaterThan(schedules.length)
  })

  it('that breaks without the load fence', async () => {
    await using stage = await Stage.open({ prepare: withoutLoadFence })
    expect(await stage.findViolation(schedules)).toMatch(/^cached 1, source 2 after .*remove expired/)
  })
})

describe('with the eviction of what is beyond a cap in between', { timeout: PATIENCE_MS }, () => {
  const [begin, read, ...setAndCommit] = readingTransaction()
  const readings = [loader(), [together(begin, read), ...setAndCommit]]
  const schedules = [set, setExpired].flatMap((write) =>
    readings.flatMap((reading) => interleavings(briefWriter(change, write), reading, eviction)),
  )
  const withoutVersion = without({
    object: 'evict_blocks',
    text: /set fresh_until = 'epoch'/,
    by: `set written_by = '3', fresh_until = 'epoch'`,
  })

  it('a valid entry equals its source row in every snapshot', async () => {
    await using stage = await Stage.open()
    expect(await stage.findViolation(schedules)).toBeUndefined()
    expect(stage.compared).toBeGreaterThan(schedules.length)
  })

  it('so does one that was there before', async () => {
    await using stage = await Stage.open({ begin: fillAll })
    const [beginWriting, write, commit] = briefWriter(change, invalidateKey)
    const invalidating = readings.flatMap((reading) =>
      interleavings([together(beginWriting, write), commit], reading, eviction),
    )
    expect(await stage.findViolation(invalidating)).toBeUndefined()
    expect(stage.compared).toBeGreaterThan(invalidating.length)
  })

  it('and when the sweep removes what eviction has left', async () => {
    await using stage = await Stage.open()
    const [token, fill] = hastyLoader('')
    const removing = interleavings(briefWriter(change, set), [token, fill], [...eviction, ...removal])
    expect(await stage.findViolation(removing)).toBeUndefined()
  })

  it('that breaks if what is left of an entry does not keep its version', async () => {
    await using stage = await Stage.open({ prepare: withoutVersion })
    expect(await stage.findViolation(schedules)).toMatch(/^cached 1, source 2 after .*evict/)
  })
})

describe('with a removal while a REPEATABLE READ transaction sees the fences as they were', () => {
  const [begin, read, ...setAndCommit] = readingTransaction('repeatable read')
  const schedules = interleavings(
    briefWriter(change, setExpired),
    [together(begin, read), together(...setAndCommit)],
    removal,
  )
  const half = /clock_timestamp\(\) < transaction_timestamp\(\) \+ interval '30 seconds'/
  const afterHalfAMinute = without({ object: 'set_in_transaction', text: half, by: 'false' })
  const withoutBound = without({ object: 'set_in_transaction', text: half, by: 'true' })

  it('a valid entry equals its source row, because it may set for half a minute only', async () => {
    await using stage = await Stage.open({ prepare: afterHalfAMinute })
    expect(await stage.findViolation(schedules)).toBeUndefined()
    expect(stage.compared).toBeGreaterThan(schedules.length)
  })

  it('that breaks without that bound', async () => {
    await using stage = await Stage.open({ prepare: withoutBound })
    expect(await stage.findViolation(schedules)).toMatch(/^cached 1, source 2 after .*remove expired/)
  })
})

describe('with a trim of the log in between', { timeout: PATIENCE_MS }, () => {
  const [begin, read, ...setAndCommit] = readingTransaction()
  const [beginWriting, write, commit] = briefWriter(change, invalidateKey)
  const schedules = [loader(), [together(begin, read), ...setAndCommit]].flatMap((reading) =>
    interleavings([together(beginWriting, write), commit], reading, trim),
  )

  it('a valid entry equals its source row in every snapshot', async () => {
    await using stage = await Stage.open()
    expect(await stage.findViolation(schedules)).toBeUndefined()
    expect(stage.compared).toBeGreaterThan(schedules.length)
  })

  it('so does one that was there before', async () => {
    await using stage = await Stage.open({ begin: fillAll })
    expect(await stage.findViolation(schedules)).toBeUndefined()
    expect(stage.compared).toBeGreaterThan(schedules.length)
  })

  it('that breaks without the trim fence', async () => {
    await using stage = await Stage.open({ prepare: withoutTrimFence })
    expect(await stage.findViolation(schedules)).toMatch(/^cached 1, source 2 after .*publish F/)
  })
})
