// What an agent in the process hears of every cache through node:diagnostics_channel.

import { AsyncLocalStorage } from 'node:async_hooks'
import {
  subscribe,
  type TracingChannelSubscribers,
  tracingChannel,
  unsubscribe,
} from 'node:diagnostics_channel'
import { afterAll, describe, expect, it } from 'vitest'
import { type CallTrace, PostgresCache, type StatementTrace } from '../../src/index.ts'
import { CALL_TRACES, STATEMENT_TRACE } from '../../src/channels.ts'
import { systemClock } from '../../src/core/clock.ts'
import { Reporter } from '../../src/events.ts'
import { Timing } from '../../src/timing.ts'
import { allocated } from '../allocated.ts'
import { createDatabase } from '../database.ts'

const database = await createDatabase()
const cache = new PostgresCache({ connectionString: database.url })
afterAll(() => cache.close())
await cache.connect()

type Trace = (CallTrace | StatementTrace) & { result?: unknown; error?: unknown }

/** What the channel tells while `work` runs, phase by phase. */
async function tracesOf(name: string, work: () => Promise<unknown>): Promise<[string, Trace][]> {
  const heard: [string, Trace][] = []
  const hear =
    (phase: string) =>
    (message: unknown): void =>
      void heard.push([phase, { ...(message as Trace) }])
  const ears: TracingChannelSubscribers<object> = {
    start: hear('start'),
    end: hear('end'),
    asyncStart: hear('asyncStart'),
    asyncEnd: hear('asyncEnd'),
    error: hear('error'),
  }
  const channels = tracingChannel<object>(`postgres-cache:${name}`)
  channels.subscribe(ears)
  try {
    await work().catch(() => {})
    return heard
  } finally {
    channels.unsubscribe(ears)
  }
}

const started = (traces: [string, Trace][]): Trace[] =>
  traces.filter(([phase]) => phase === 'start').map(([, message]) => message)

describe('a trace', () => {
  it('of a get tells its key and, in the end, its value', async () => {
    await cache.set('traced', { a: 1 })
    const message = { cache: 'postgres_cache', keys: ['traced'] }
    expect(await tracesOf('get', () => cache.get('traced', { fresh: true }))).toEqual([
      ['start', message],
      ['end', message],
      ['asyncStart', { ...message, result: { a: 1 } }],
      ['asyncEnd', { ...message, result: { a: 1 } }],
    ])
    expect(started(await tracesOf('get', () => cache.getMany(['a', 'b'], { fresh: true })))).toEqual([
      { cache: 'postgres_cache', keys: ['a', 'b'] },
    ])
  })

  it('is not made of what the local cache answers', async () => {
    await cache.set('near', 1)
    await expect.poll(async () => [await cache.get('near'), cache.peek('near')]).toEqual([1, 1])
    const answer = async (): Promise<unknown> => [
      await cache.get('near'),
      await cache.getMany(['near']),
      await cache.getOrSet('near', () => 2),
    ]
    expect(await tracesOf('get', answer)).toEqual([])
    expect(await tracesOf('getOrSet', answer)).toEqual([])
  })

  it('of a set, a getOrSet and a load tell their keys, and how each ended', async () => {
    expect(started(await tracesOf('set', () => cache.set('s', 1)))).toMatchObject([{ keys: ['s'] }])
    expect(started(await tracesOf('set', () => cache.setMany([['s', 1], ['t', 2]])))).toMatchObject([{ keys: ['s', 't'] }]) // prettier-ignore
    const failure = new Error('no such user')
    const fail = (): Promise<unknown> =>
      cache.getOrSet('fails', () => {
        throw failure
      })
    for (const name of ['getOrSet', 'load']) {
      const message = { cache: 'postgres_cache', keys: ['fails'] }
      expect(await tracesOf(name, fail)).toEqual([
        ['start', message],
        ['end', message],
        ['error', { ...message, error: failure }],
        ['asyncStart', { ...message, error: failure }],
        ['asyncEnd', { ...message, error: failure }],
      ])
    }
  })

  it('of a statement tells how many keys share it', async () => {
    const all = Array.from({ length: 20 }, (_, i) => `shared:${i}`)
    const traces = await tracesOf('statement', () => Promise.all(all.map((key) => cache.get(key))))
    expect(started(traces).filter((each) => 'statement' in each && each.statement === 'read')).toEqual([
      { cache: 'postgres_cache', statement: 'read', keys: 20 },
    ])
  })

  it('runs a loader in what was bound to it', async () => {
    const storage = new AsyncLocalStorage<unknown>()
    const { start } = tracingChannel('postgres-cache:load')
    start.bindStore(storage, (message) => (message as CallTrace).keys)
    let seen: unknown
    await cache.getOrSet('bound', () => (seen = storage.getStore()))
    start.unbindStore(storage)
    expect(seen).toEqual(['bound'])
  })
})

describe('outcomes', () => {
  it('are told to channels of their names, of all caches of the process', async () => {
    await database.install({ schemaPrefix: 'other_' })
    await using other = new PostgresCache({ connectionString: database.url, schemaPrefix: 'other_' })
    const heard: unknown[] = []
    const hear = (message: unknown): void => void heard.push(message)
    subscribe('postgres-cache:missed', hear)
    await cache.get('nothing')
    await other.get('nothing')
    unsubscribe('postgres-cache:missed', hear)
    expect(heard).toEqual([
      { cache: 'postgres_cache', key: 'nothing' },
      { cache: 'postgres_cache.other_', key: 'nothing' },
    ])
  })
})

describe('while nobody has subscribed', () => {
  it('whether a call is to be traced or timed is found out without allocating anything', async () => {
    const timing = new Timing(systemClock, new Reporter())
    expect(STATEMENT_TRACE.hasSubscribers).toBe(false)
    expect(await allocated(() => timing.wants('get') || STATEMENT_TRACE.hasSubscribers)).toBeLessThan(1)
  })

  it('a subscriber is noticed', () => {
    const timing = new Timing(systemClock, new Reporter())
    const wants = (): boolean[] => Array.from({ length: 3 }, () => timing.wants('get'))
    expect(wants()).toEqual([true, false, false])
    const listen = (): void => {}
    CALL_TRACES.get.asyncEnd.subscribe(listen)
    expect(wants()).toEqual([true, true, true])
    CALL_TRACES.get.asyncEnd.unsubscribe(listen)
    expect(wants()).toEqual([false, false, false])
  })
})
