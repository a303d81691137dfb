// What a process of its own can be told to do. Arguments and results travel as JSON.

import { EventEmitter, once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'
import { openAndClose } from './open-and-close.ts'
import { type Asked, getOrSet, openTraced, type Outcome, tracing } from './traced.ts'
import { type CacheError, type CacheOptions, type CacheStats, PostgresCache } from '../../src/index.ts'

let cache: PostgresCache | undefined
/** When keys left the local cache since they were held, by the clock that all processes of a machine share. */
const evicted = new Map<string, bigint>()
const last = { flush: 0n, sync: 0n }
const news = new EventEmitter()
const REPORTED = ['degraded', 'session-lost', 'circuit-opened', 'circuit-closed', 'flushed'] as const
const reported: string[] = []

function note(change: () => void): void {
  change()
  news.emit('news')
}

function opened(): PostgresCache {
  if (cache === undefined) throw new Error('open comes first')
  return cache
}

async function until<T>(found: () => T | undefined): Promise<T> {
  for (;;) {
    const result = found()
    if (result !== undefined) return result
    await once(news, 'news')
  }
}

interface Overwriting {
  readonly free: readonly string[]
  readonly locked: readonly string[]
  readonly ms: number
}

interface Slowest {
  setMs: number
  readMs: number
}

interface Flooded {
  readonly stored: number
  readonly codes: readonly string[]
  readonly extraBytes: number
}

interface NestedLoad {
  readonly outer: string
  readonly inner: string
  readonly url: string
  readonly loaders: number
}

/** A loader that takes its time and is counted where everybody can see it. */
async function load(url: string, key: string, ms: number): Promise<string> {
  const client = new Client(url)
  await client.connect()
  await client.query('insert into loads (key, pid) values ($1, $2)', [key, process.pid])
  await client.end()
  await delay(ms)
  return `value of ${key}`
}

export const tasks = {
  async open(options: CacheOptions): Promise<void> {
    cache = new PostgresCache(options)
    const now = (): bigint => process.hrtime.bigint()
    cache.on('evicted', ({ key }) => note(() => evicted.set(key, now())))
    cache.on('flushed', () => note(() => (last.flush = now())))
    cache.on('synced', () => note(() => (last.sync = now())))
    reported.length = 0
    for (const event of REPORTED) cache.on(event, () => void reported.push(event))
    cache.on(
      'session-restored',
      ({ ms }) => void reported.push(`session-restored after ${Math.round(ms)} ms`),
    )
    await cache.connect()
  },

  async openTraced(options: CacheOptions): Promise<void> {
    cache = openTraced(options)
    await cache.connect()
  },

  getOrSet(asked: Asked): Promise<Outcome> {
    return getOrSet(opened(), asked)
  },

  ...tracing,

  migrate(options: CacheOptions): Promise<number> {
    return PostgresCache.migrate(options)
  },

  async firstUse(options: CacheOptions): Promise<unknown> {
    await using own = new PostgresCache(options)
    await own.set(`of ${process.pid}`, process.pid)
    return own.get(`of ${process.pid}`, { fresh: true })
  },

  async set({ key, value }: { key: string; value: unknown }): Promise<void> {
    await opened().set(key, value)
  },

  get(key: string): Promise<unknown> {
    return opened().get(key)
  },

  getFresh(key: string): Promise<unknown> {
    return opened().get(key, { fresh: true })
  },

  peek(key: string): unknown {
    return opened().peek(key)
  },

  /** As many as there are keys, at once. */
  load({ keys, value }: { keys: readonly string[]; value: unknown }): Promise<unknown[]> {
    return Promise.all(keys.map((key) => opened().getOrSet(key, () => value)))
  },

  /** When this value was last served, in nanoseconds, by the clock that all processes of a machine share. */
  async lastServed({ key, value }: { key: string; value: unknown }): Promise<string> {
    let served = 0n
    for (;;) {
      const asked = process.hrtime.bigint()
      if ((await opened().get(key)) !== value) return String(served)
      served = asked
      await new Promise(setImmediate)
    }
  },

  /** Nothing else runs meanwhile; then, in the same breath, it asks. */
  async block({ ms, key }: { ms: number; key: string }): Promise<{ peeked: unknown; found: unknown }> {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
    return { peeked: opened().peek(key), found: await opened().get(key) }
  },

  wallClock(): number {
    return Date.now()
  },

  async setFor({ key, value, ttl }: { key: string; value: unknown; ttl: number }): Promise<void> {
    await opened().set(key, value, { ttl })
  },

  async countMany(given: { prefix: string; count: number }): Promise<{ found: number; length: number }> {
    const values = await opened().getMany(Array.from({ length: given.count }, (_, i) => given.prefix + i))
    return { found: values.filter((value) => value !== undefined).length, length: values.length }
  },

  /** How long the slowest took of batches of reads, and of sets beside those of keys that somebody holds. */
  async overwriteFor({ free, locked, ms }: Overwriting): Promise<Slowest> {
    const slowest = { setMs: 0, readMs: 0 }
    const end = performance.now() + ms
    const repeat = async (figure: keyof Slowest, work: () => Promise<unknown>): Promise<void> => {
      for (let began = performance.now(); began < end; began = performance.now()) {
        await work()
        slowest[figure] = Math.max(slowest[figure], performance.now() - began)
      }
    }
    const refused: Promise<unknown>[] = []
    const set = (key: string): Promise<void> => opened().set(key, performance.now())
    await Promise.all([
      repeat('setMs', () => {
        refused.push(...locked.map((key) => set(key).catch(() => {})))
        return Promise.all(free.map(set))
      }),
      repeat('readMs', () => opened().getMany([...free, ...locked])),
    ])
    await Promise.all(refused)
    return slowest
  },

  /** So many sets at once; then, what became of them and how much memory they took. */
  async flood({ count, bytes }: { count: number; bytes: number }): Promise<Flooded> {
    const before = process.memoryUsage.rss()
    let most = before
    const watch = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 5)
    const sets = Array.from({ length: count }, (_, i) => opened().set(`flood ${i}`, 'x'.repeat(bytes)))
    const failures = (await Promise.allSettled(sets)).filter((outcome) => outcome.status === 'rejected')
    clearInterval(watch)
    const codes = new Set(failures.map(({ reason }) => (reason as CacheError).code))
    return { stored: count - failures.length, codes: [...codes], extraBytes: most - before }
  },

  stats(): CacheStats {
    return opened().stats()
  },

  /** What has been reported of connections, in order. */
  reported(): readonly string[] {
    return reported
  },

  async sync(): Promise<void> {
    await opened().sync()
  },

  /** Until the local cache has this value. */
  async hold({ key, value }: { key: string; value: unknown }): Promise<void> {
    while (opened().peek(key) !== value) await opened().get(key, { fresh: true })
    evicted.delete(key)
    last.flush = 0n
  },

  /** What is found in the place of this value, once the local cache has let go of it. */
  async getEvicted({ key, value }: { key: string; value: unknown }): Promise<unknown> {
    for (;;) {
      // Versions have no order: news of an older write, in the sync that trails its hint, evicts the newer value, too, or keeps it out.
      if (opened().peek(key) === value) await until(() => evicted.get(key))
      evicted.delete(key)
      const found = await opened().get(key)
      if (found !== value) return found
    }
  },

  /** When the local cache let go of the key, in nanoseconds; known once the sync that trails every hint is over. */
  async evictedAt(key: string): Promise<string> {
    // It is flushed now and then on a busy machine, where clocks seem to be stepped.
    const at = await until(() => evicted.get(key) ?? (last.flush || undefined))
    await until(() => last.sync > at || undefined)
    return String(at)
  },

  /** The distinct values of so many concurrent callers. */
  async stampede(given: { key: string; callers: number; url: string; ms: number }): Promise<unknown[]> {
    const { key, callers, url, ms } = given
    const values = await Promise.all(
      Array.from({ length: callers }, () => opened().getOrSet(key, () => load(url, key, ms))),
    )
    return [...new Set(values)]
  },

  /** Loads `outer`, and `inner` within it once so many loaders run everywhere. */
  loadNested({ outer, inner, url, loaders }: NestedLoad): Promise<unknown> {
    return opened().getOrSet(outer, async () => {
      await load(url, outer, 0)
      const client = new Client(url)
      await client.connect()
      while (((await client.query('table loads')).rowCount ?? 0) < loaders) await delay(10)
      await client.end()
      return opened().getOrSet(inner, () => `${inner} within ${outer}`)
    })
  },

  /** The message of a loader that fails after so many milliseconds, and how long its caller waited. */
  async loadInVain({ key, ms }: { key: string; ms: number }): Promise<{ message: string; tookMs: number }> {
    const began = performance.now()
    const failing = async (): Promise<never> => {
      await delay(ms)
      throw new Error('the source is down')
    }
    const message = await opened()
      .getOrSet(key, failing)
      .catch((error: Error) => error.message)
    return { message, tookMs: performance.now() - began }
  },

  async loadForEver({ key, url }: { key: string; url: string }): Promise<void> {
    await opened().getOrSet(key, () => load(url, key, 600_000))
  },

  openAndClose,

  async close(): Promise<void> {
    await cache?.close()
  },
} as const

export type Tasks = typeof tasks
