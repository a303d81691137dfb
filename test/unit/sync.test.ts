import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Reporter } from '../../src/events.ts'
import { Gate } from '../../src/gate.ts'
import { Background } from '../../src/memory/background.ts'
import { NullCoherence } from '../../src/memory/null-coherence.ts'
import type { Hint } from '../../src/core/change.ts'
import type { Feed, FeedReply } from '../../src/postgres/feed.ts'
import { Sync } from '../../src/sync.ts'
import { ManualClock } from './memory/manual-clock.ts'

const KEY = 'profile:1'
const WORLD = 'world-1'

let background: Background
beforeEach(() => {
  background = new Background(() => {})
})
afterEach(() => background.close())

function setup() {
  const clock = new ManualClock()
  const reporter = new Reporter()
  const local = new NullCoherence({ clock, joins: [] })
  let reply: FeedReply
  const feed = { read: async () => reply, settleWorld: async () => null } as unknown as Feed
  const sync = new Sync({
    maxStalenessMs: 2_000,
    clock,
    gate: new Gate(clock, reporter),
    reporter,
    background,
    local,
    feed,
    retireConnections: () => {},
    expectsMoreNews: () => {},
    tookNewsIn: () => {},
  })
  const answer = (world: string | null, cursor: string): void => {
    reply = { world, cursor, complete: true, changes: [], databaseNow: clock.wall() }
  }
  const run = async (world: string | null, cursor: string): Promise<void> => {
    answer(world, cursor)
    await sync.run()
  }
  return { answer, feed, local, run, sync }
}

test('a transaction is followed through a recovery, until it has ended', async () => {
  const { local, run, sync } = setup()
  await run(WORLD, '10:12:10')
  sync.follow('12', { keys: [KEY], tags: [], keyPrefixes: [], tagPrefixes: [] })
  await run(null, '10:13:12')
  expect(local.mayJoin(KEY)).toBe(false)
  await run(WORLD, '10:13:12')
  expect(local.mayJoin(KEY)).toBe(false)
  await run(WORLD, '13:13:')
  expect(local.mayJoin(KEY)).toBe(true)
})

test('all that a transaction has touched is followed, whatever other one has ended', async () => {
  const { local, run, sync } = setup()
  await run(WORLD, '10:13:10,12')
  for (const [txid, key] of [
    ['12', 'a'],
    ['12', 'b'],
    ['10', 'b'],
    ['10', 'c'],
  ] as const)
    sync.follow(txid, { keys: [key], tags: [], keyPrefixes: [], tagPrefixes: [] })
  const followed = (): string[] => ['a', 'b', 'c'].filter((key) => !local.mayJoin(key))
  expect(followed()).toEqual(['a', 'b', 'c'])
  await run(WORLD, '12:13:12')
  expect(followed()).toEqual(['a', 'b'])
  await run(WORLD, '13:13:')
  expect(followed()).toEqual([])
})

test('a transaction is not followed into another world', async () => {
  const { local, run, sync } = setup()
  await run(WORLD, '10:12:10')
  sync.follow('12', { keys: [KEY], tags: [], keyPrefixes: [], tagPrefixes: [] })
  await run(null, '10:13:12')
  await run('world-2', '10:13:12')
  expect(local.mayJoin(KEY)).toBe(true)
})

test('another world that shows itself during a sync brings one more, and no caller', async () => {
  const { run, sync, feed, answer } = setup()
  await run(WORLD, '10:12:10')
  let asked = 0
  const read = feed.read.bind(feed)
  feed.read = async (cursor) => {
    const reply = await read(cursor)
    if (++asked === 1) sync.worldChanged()
    answer('world-2', '5:5:')
    return reply
  }
  await sync.run()
  await expect.poll(() => sync.world).toBe('world-2')
})

describe('hints', () => {
  afterEach(() => vi.useRealTimers())

  const news: string[] = []

  /** When syncs were made, each millisecond of a second told of what is heard then. */
  async function syncsOf(heardAt: (ms: number) => Hint | undefined, isInUse = true): Promise<number[]> {
    vi.useFakeTimers()
    const timers = new Background(() => {})
    const clock = new ManualClock()
    const reporter = new Reporter()
    const local = Object.defineProperties(new NullCoherence({ clock, joins: [] }), {
      size: { value: 1 },
      isInUse: { value: isInUse },
    })
    local.lapse = () => void news.push('lapsed')
    const syncs: number[] = []
    news.length = 0
    let ms = 0
    const read = async (): Promise<FeedReply> => {
      syncs.push(ms)
      return { world: WORLD, cursor: '10:10:', complete: true, changes: [], databaseNow: clock.wall() }
    }
    const sync = new Sync({
      maxStalenessMs: 2_000,
      clock,
      gate: new Gate(clock, reporter),
      reporter,
      background: timers,
      local,
      feed: { read, settleWorld: async () => null } as unknown as Feed,
      retireConnections: () => {},
      expectsMoreNews: () => void news.push('expected'),
      tookNewsIn: () => void news.push('taken in'),
    })
    for (; ms < 1_000; ms++) {
      const hint = heardAt(ms)
      if (hint !== undefined) sync.hinted(hint)
      clock.advance(1)
      await vi.advanceTimersByTimeAsync(1)
    }
    await timers.close()
    return syncs
  }

  test.each([
    [20, 30],
    // Listeners keep out of each other's way.
    [80, 170],
  ])(
    'one is followed by one sync, when a gate shut for %d ms is open again, and within %d ms',
    async (shutMs, latest) => {
      const [at, ...more] = await syncsOf((ms) => (ms === 0 ? { kind: 'sync', shutMs } : undefined))
      expect(at).toBeGreaterThanOrEqual(shutMs)
      expect(at).toBeLessThanOrEqual(latest)
      expect(more).toEqual([])
    },
  )

  test.each([
    [20, ['taken in']],
    [80, ['expected', 'taken in']],
  ])(
    'more news is expected with the sync after one that shut the gate for %d ms',
    async (shutMs, expected) => {
      await syncsOf((ms) => (ms === 0 ? { kind: 'sync', shutMs } : undefined))
      expect(news).toEqual(expected)
    },
  )

  test('nothing is asked for, and the lease ends, where nobody uses the local cache', async () => {
    expect(await syncsOf((ms) => (ms === 0 ? { kind: 'sync', shutMs: 80 } : undefined), false)).toEqual([])
    expect(news).toEqual(['expected', 'lapsed', 'taken in'])
  })

  test('a storm of them causes a sync each at most, and one after the last', async () => {
    const syncs = await syncsOf((ms) =>
      ms <= 480 && ms % 80 === 0 ? { kind: 'sync', shutMs: 80 } : undefined,
    )
    expect(syncs.length).toBeGreaterThanOrEqual(3)
    expect(syncs.length).toBeLessThanOrEqual(8)
    expect(syncs.at(-1)).toBeGreaterThanOrEqual(480 + 80)
  })
})
