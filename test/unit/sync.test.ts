import { afterEach, expect, test } from 'vitest'
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
