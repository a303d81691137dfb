import { afterEach, describe, expect, test, vi } from 'vitest'
import { Reporter } from '../../src/events.ts'
import { Gate } from '../../src/gate.ts'
import { Background } from '../../src/memory/background.ts'
import { NullCoherence } from '../../src/memory/null-coherence.ts'
import type { Feed, FeedReply } from '../../src/postgres/feed.ts'
import { Sync } from '../../src/sync.ts'
import { ManualClock } from './memory/manual-clock.ts'

const KEY = 'profile:1'
const WORLD = 'world-1'

const background = new Background(() => {})
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
  })
  const run = async (world: string | null, cursor: string): Promise<void> => {
    reply = { world, cursor, complete: true, changes: [], databaseNow: clock.wall() }
    await sync.run()
  }
  return { local, run, sync }
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

test('a transaction is not followed into another world', async () => {
  const { local, run, sync } = setup()
  await run(WORLD, '10:12:10')
  sync.follow('12', { keys: [KEY], tags: [], keyPrefixes: [], tagPrefixes: [] })
  await run(null, '10:13:12')
  await run('world-2', '10:13:12')
  expect(local.mayJoin(KEY)).toBe(true)
})

describe('under a storm of hints', () => {
  afterEach(() => vi.useRealTimers())

  /** How many syncs a second of hints causes, each taking so long. */
  async function syncsInASecond(tookMs: number): Promise<number> {
    vi.useFakeTimers()
    const timers = new Background(() => {})
    const clock = new ManualClock()
    const reporter = new Reporter()
    const local = Object.defineProperty(new NullCoherence({ clock, joins: [] }), 'size', { value: 1 })
    let syncs = 0
    const read = async (): Promise<FeedReply> => {
      syncs++
      clock.advance(tookMs)
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
    })
    for (let ms = 0; ms < 1_000; ms += 5) {
      if (ms % 20 === 0) sync.hinted({ kind: 'sync' })
      clock.advance(5)
      await vi.advanceTimersByTimeAsync(5)
    }
    await timers.close()
    return syncs
  }

  test('each hint is followed by a sync while syncs are quick', async () => {
    expect(await syncsInASecond(1)).toBeGreaterThanOrEqual(30)
  })

  test('syncs take a tenth of the time at most', async () => {
    const syncs = await syncsInASecond(10)
    expect(syncs).toBeGreaterThanOrEqual(5)
    expect(syncs).toBeLessThanOrEqual(11)
  })

  test('however slow, a few a second are made', async () => {
    expect(await syncsInASecond(100)).toBeGreaterThanOrEqual(3)
  })
})
