import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setImmediate } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { CacheError } from '../../src/core/errors.ts'
import { type CacheEvents, Reporter } from '../../src/events.ts'
import { allocated } from '../allocated.ts'

const error = new CacheError('unavailable', 'Cannot reach the server')

const outcomes: { [E in keyof CacheEvents]: CacheEvents[E] } = {
  hit: { key: 'k', tier: 'stale' },
  missed: { key: 'k' },
  loaded: { key: 'k', ms: 5, stored: true },
  'load-failed': { key: 'k', error: new Error('no such user') },
  stored: { key: 'k' },
  deleted: { key: 'k' },
  invalidated: { tags: ['users'] },
  evicted: { key: 'k', reason: 'changed' },
  flushed: { reason: 'gap', entries: 2 },
  'hint-received': { kind: 'sync' },
  synced: { ms: 1, changes: 3 },
  timed: { call: 'get', ms: 4 },
  sent: { statement: 'read', keys: 3, ms: 2, error },
  'session-lost': { error },
  'session-restored': { ms: 40 },
  swept: { removed: 4, evicted: 3 },
  degraded: { reason: 'a pooler swallows notifications' },
  'circuit-opened': { error },
  'circuit-closed': {},
  'violation-found': { key: 'a' },
  error: { error, operation: 'get' },
}

function reportAll(reporter: Reporter): void {
  for (const event of Object.keys(outcomes) as (keyof CacheEvents)[]) reporter.report(event, outcomes[event])
}

describe('Reporter', () => {
  test('counts each outcome once, heard or not', () => {
    const once = {
      hits: { local: 0, store: 0, stale: 1 },
      misses: 1,
      loads: 1,
      loadFailures: 1,
      sets: 1,
      deletes: 1,
      invalidations: 1,
      evictions: 1,
      flushes: 1,
      hints: 1,
      syncs: 1,
      sessionsLost: 1,
      sessionsRestored: 1,
      swept: 7,
      circuitsOpened: 1,
      violations: 1,
      errors: 1,
    }
    const unheard = new Reporter()
    reportAll(unheard)
    expect(unheard.counters()).toEqual(once)

    const heard = new Reporter()
    for (const event of Object.keys(outcomes) as (keyof CacheEvents)[]) heard.on(event, () => {})
    reportAll(heard)
    expect(heard.counters()).toEqual(once)
  })

  test('tells each event to its own listeners, in the order they came', () => {
    const reporter = new Reporter()
    const heard: unknown[] = []
    for (const event of Object.keys(outcomes) as (keyof CacheEvents)[]) {
      reporter.on(event, (payload) => heard.push([event, payload]))
    }
    reporter.on('error', () => heard.push('second'))
    reportAll(reporter)
    expect(heard).toEqual([...Object.entries(outcomes), 'second'])
  })

  test('hits and misses count and tell the same with and without a listener', () => {
    const reporter = new Reporter()
    reporter.hit('a', 'local')
    reporter.missed('a')
    const heard: unknown[] = []
    reporter.on('hit', (payload) => heard.push(payload))
    reporter.on('missed', (payload) => heard.push(payload))
    reporter.hit('b', 'local')
    reporter.hit('b', 'store')
    reporter.missed('b')
    expect(reporter.counters()).toMatchObject({ hits: { local: 2, store: 1, stale: 0 }, misses: 2 })
    expect(heard).toEqual([{ key: 'b', tier: 'local' }, { key: 'b', tier: 'store' }, { key: 'b' }])
  })

  test('measures calls and statements, heard or not', () => {
    const unheard = new Reporter()
    unheard.timed('get', 4)
    unheard.sent('read', 3, 2, error)
    const heard = new Reporter()
    const told: unknown[] = []
    heard.on('timed', (payload) => told.push(payload))
    heard.on('sent', (payload) => told.push(payload))
    heard.timed('get', 4)
    heard.sent('read', 3, 2, error)
    expect(told).toEqual([outcomes.timed, outcomes.sent])
    expect(heard.measures()).toEqual(unheard.measures())
    expect(unheard.measures()).toMatchObject({
      durations: { get: { count: 1, sum: 4 }, set: { count: 0 } },
      statements: { read: { duration: { sum: 2 }, keys: { sum: 3 }, failures: 1 } },
    })
  })

  test('tells diagnostics channels what it tells listeners, and of which cache', () => {
    const reporter = new Reporter('postgres_cache.app_')
    const told: unknown[] = []
    const tell = (message: unknown, name: string | symbol): void => void told.push([name, message])
    const events = Object.keys(outcomes).map((event) => `postgres-cache:${event}`)
    for (const event of events) subscribe(event, tell)
    reportAll(reporter)
    reporter.hit('k', 'stale')
    reporter.missed('k')
    reporter.stored('k')
    reporter.timed('get', 4)
    reporter.sent('read', 3, 2, error)
    for (const event of events) unsubscribe(event, tell)
    reportAll(reporter)

    const messageOf = (event: keyof CacheEvents): unknown => [
      `postgres-cache:${event}`,
      { cache: 'postgres_cache.app_', ...outcomes[event] },
    ]
    const all = Object.keys(outcomes) as (keyof CacheEvents)[]
    const again = ['hit', 'missed', 'stored', 'timed', 'sent'] as const
    expect(told).toEqual([...all, ...again].map(messageOf))
    expect(reporter.counters()).toMatchObject({ hits: { stale: 3 }, misses: 3, sets: 3, errors: 2 })
  })

  test('allocates nothing for what nobody listens to', async () => {
    const reporter = new Reporter()
    const frequent = (): void => {
      reporter.hit('k', 'local')
      reporter.missed('k')
      reporter.stored('k')
      reporter.timed('get', 4)
      reporter.sent('read', 3, 2)
    }
    expect(await allocated(frequent)).toBeLessThan(1)

    // Not so where somebody does. A collection in the middle of a round can make it look like less.
    const listen = (): void => {}
    subscribe('postgres-cache:hit', listen)
    await expect
      .poll(() => allocated(() => reporter.hit('k', 'local')), { timeout: 30_000 })
      .toBeGreaterThan(10)
    unsubscribe('postgres-cache:hit', listen)
  })

  test('a snapshot of the counters does not change later', () => {
    const reporter = new Reporter()
    const before = reporter.counters()
    reporter.hit('k', 'local')
    reporter.missed('k')
    expect(before).toMatchObject({ hits: { local: 0 }, misses: 0 })
    before.hits.local = 99
    expect(reporter.counters().hits.local).toBe(1)
  })

  test('a listener hears nothing after it unsubscribed', () => {
    const reporter = new Reporter()
    const listener = vi.fn<(payload: unknown) => void>()
    const off = reporter.on('missed', listener)
    reporter.missed('a')
    off()
    off()
    reporter.missed('b')
    expect(listener.mock.calls).toEqual([[{ key: 'a' }]])
  })

  test('unsubscribing once leaves a second subscription of the same listener', () => {
    const reporter = new Reporter()
    const listener = vi.fn<() => void>()
    const off = reporter.on('missed', listener)
    reporter.on('missed', listener)
    off()
    off()
    reporter.missed('a')
    expect(listener).toHaveBeenCalledTimes(1)
  })

  test('a listener that unsubscribes while it is told does not hide the event from the next one', () => {
    const reporter = new Reporter()
    const heard: string[] = []
    const off = reporter.on('missed', () => {
      heard.push('first')
      off()
    })
    reporter.on('missed', () => heard.push('second'))
    reporter.missed('a')
    reporter.missed('b')
    expect(heard).toEqual(['first', 'second', 'second'])
  })

  test('refuses an unknown event and a listener that cannot be called', () => {
    const reporter = new Reporter()
    const on = reporter.on.bind(reporter) as (event: unknown, listener: unknown) => unknown
    expect(() => on('hits', () => {})).toThrow(
      expect.objectContaining({ code: 'invalid-option', option: 'event' }),
    )
    expect(() => on('toString', () => {})).toThrow(expect.objectContaining({ code: 'invalid-option' }))
    expect(() => on('hit', undefined)).toThrow(expect.objectContaining({ option: 'listener' }))
  })
})

describe('a listener that fails', () => {
  afterEach(() => {
    vi.restoreAllMocks()
  })

  const failing: [string, () => unknown][] = [
    [
      'throws',
      () => {
        throw new Error('listener broke')
      },
    ],
    ['rejects', () => Promise.reject(new Error('listener broke'))],
  ]

  test.each(failing)(
    'and %s breaks neither the report nor the next listener, and is warned of once',
    async (_how, broken) => {
      const warn = vi.spyOn(process, 'emitWarning').mockReturnValue()
      const reporter = new Reporter()
      const next = vi.fn<() => void>()
      reporter.on('missed', broken)
      reporter.on('missed', next)
      reporter.missed('a')
      reporter.missed('b')
      await setImmediate()
      expect(next).toHaveBeenCalledTimes(2)
      expect(reporter.counters().misses).toBe(2)
      expect(warn).toHaveBeenCalledExactlyOnceWith(
        "A listener for 'missed' failed; it is still called, without further warnings",
        expect.objectContaining({
          type: 'CacheWarning',
          code: 'POSTGRES_CACHE_LISTENER_FAILED',
          detail: expect.stringContaining('listener broke'),
        }),
      )
    },
  )
})
