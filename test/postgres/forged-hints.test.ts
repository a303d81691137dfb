// Whoever may connect to the database may notify on the channel. A hint proves nothing: at worst it evicts.

import { randomInt } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { nextEvent } from '../next-event.ts'

const database = await createDatabase()
const connectionString = database.url
const address = 'postgres_cache.'

// Nothing but a hint makes the reader sync within a test.
const reader = new PostgresCache({ connectionString, maxStaleness: '10m' })
const writer = new PostgresCache({ connectionString, local: false, notifications: 'poll' })
beforeAll(() => Promise.all([reader.connect(), writer.connect()]))
afterAll(() => Promise.all([reader.close(), writer.close()]))

function forge(payload: unknown): Promise<unknown> {
  const text =
    typeof payload === 'string' ? payload : JSON.stringify({ a: address, v: 1, ...(payload as object) })
  return database.query(`select pg_notify('cache_events', $1)`, [text])
}

/** Both entries are held locally, and nothing that happened before is still to be heard of. */
async function holdBoth(): Promise<void> {
  await reader.setMany([
    ['one', 1],
    ['two', 2],
  ])
  // Who does not read does not sync.
  await reader.getMany(['one', 'two'])
  // Hints arrive in the order of their commits: after this one and its sync, nothing is still to come.
  const heard = nextEvent(reader, 'hint-received', ({ kind }) => kind === 'sync')
  await forge({ s: 1 })
  await heard
  await nextEvent(reader, 'synced')
  expect(await reader.getMany(['one', 'two'])).toEqual([1, 2])
  expect([reader.peek('one'), reader.peek('two')]).toEqual([1, 2])
}
beforeEach(holdBoth)

const MALFORMED: Record<string, unknown> = {
  'that is empty': '',
  'that is not JSON': '{"a":',
  'that is JSON of another kind': '[1, "x", null]',
  'without an address': '{"v":1,"x":"1","k":["one"]}',
  'with an address that is no string': { a: 7 },
  'of an older format': { v: 0, x: '1', k: ['one'] },
  'of a newer format': { v: 2, changed: ['one'] },
  'without anything known': { z: 1 },
  'with keys that are no list': { x: '1', k: 'one' },
  'with keys that are no strings': { x: '1', k: [1, null] },
  'with a version that is no number': { x: 'newest', k: ['one'] },
  'with a version that is too long': { x: '9'.repeat(21), k: ['one'] },
  'with signals that are no hashes': { l: ['one'] },
  'that asks for a sync in another way': { s: 'yes' },
  'that puts a sync off for long': { s: 1, g: 3_600_000 },
}

describe('a payload', () => {
  it.each(Object.entries(MALFORMED))(
    '%s is counted, causes a sync and evicts nothing',
    async (_, payload) => {
      const { hints } = reader.stats()
      const synced = nextEvent(reader, 'synced')
      const heard = nextEvent(reader, 'hint-received')
      await forge(payload)
      expect(await heard).toEqual({ kind: 'unknown' })
      await synced
      expect(reader.stats().hints).toBe(hints + 1)
      expect([reader.peek('one'), reader.peek('two')]).toEqual([1, 2])
    },
  )

  it('for another cache on the same channel is not even counted', async () => {
    const { hints } = reader.stats()
    await forge({ a: 'postgres_cache.other_', x: '1', k: ['one'] })
    await forge({ a: 'other.', s: 1 })
    const heard = nextEvent(reader, 'hint-received')
    await forge({ s: 1 })
    await heard
    expect(reader.stats().hints).toBe(hints + 1)
    expect(reader.peek('one')).toBe(1)
  })

  it('with a forged change evicts what it names, and the next read brings it back', async () => {
    // At the event: what has changed may have been read again by the time that we hear of it.
    let left: unknown[] = []
    const evicted = nextEvent(reader, 'evicted', () => {
      left = [reader.peek('one'), reader.peek('two')]
      return true
    })
    await forge({ x: '1', k: ['one'], z: 'of a later release' })
    expect(await evicted).toEqual({ key: 'one', reason: 'changed' })
    expect(left).toEqual([undefined, 2])
    expect(await reader.get('one')).toBe(1)
  })

  it('with a forged prefix of everything evicts everything', async () => {
    const evicted = ['one', 'two'].map((name) => nextEvent(reader, 'evicted', ({ key }) => key === name))
    await forge({ x: '1', kp: [''] })
    await Promise.all(evicted)
    expect(await reader.getMany(['one', 'two'])).toEqual([1, 2])
  })

  it('that claims the present version of an entry does not keep a real change out', async () => {
    const version = (await reader.getEntry('one'))?.version ?? ''
    await forge({ x: version, k: ['one'] })
    await writer.set('one', 'new')
    await forge({ x: version, k: ['one'] })
    await reader.sync()
    // It may have been read again already.
    expect([undefined, 'new']).toContain(reader.peek('one'))
    expect(await reader.get('one')).toBe('new')
  })

  it('that repeats a version after it was overwritten does not bring the old value back', async () => {
    const old = (await reader.getEntry('one'))?.version ?? ''
    await writer.set('one', 'new')
    for (let i = 0; i < 20; i++) {
      const read = reader.get('one', { fresh: true })
      await forge({ x: old, k: ['one'] })
      expect(await read).toBe('new')
      expect([undefined, 'new']).toContain(reader.peek('one'))
    }
  })
})

describe('under a flood of forged hints of every kind', () => {
  it('every read after a sync is right', async () => {
    const version = Number((await reader.getEntry('one'))?.version)
    const enough = new AbortController()
    const forgeAny = (): unknown => {
      const near = { x: String(version + randomInt(50)), k: ['one', 'two'].slice(randomInt(2)) }
      const kinds = [
        near,
        near,
        { s: 1 },
        { x: near.x, t: ['tag'] },
        { x: near.x, kp: ['t'] },
        { l: [1] },
        { q: 1 },
      ]
      return kinds[randomInt(kinds.length)]
    }
    const flood = (async () => {
      while (!enough.signal.aborted) await forge(forgeAny())
    })()
    try {
      for (let i = 0; i < 150; i++) {
        await writer.setMany([
          ['one', i],
          ['two', i + 1000],
        ])
        await reader.sync()
        expect(await reader.getMany(['one', 'two'])).toEqual([i, i + 1000])
        expect([undefined, i]).toContain(reader.peek('one'))
      }
    } finally {
      enough.abort()
      await flood
    }
  })
})
