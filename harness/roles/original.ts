// The original's load test: each writer overwrites a key of its own, readers read any of them, every client has a cache of its own. There, nothing is
// checked and the readers begin after the writers; here both work at once, and versions must never go back.

import type { OriginalProfile, Plan } from '../arguments.ts'
import { type CacheUnderTest, openCache } from '../cache-under-test.ts'
import type { Assignment } from '../crew.ts'
import { HistoryWriter, now, type Version } from '../history.ts'
import type { Work } from '../member.ts'
import { Observer } from '../observer.ts'
import { pause } from '../pause.ts'
import { Random } from '../random.ts'

const WRITER_PAUSE_MS = 20
const READER_PAUSE_MS = 10

export async function startOriginal({ plan, cacheUrl: url, directory, index }: Assignment): Promise<Work> {
  const { writers, readers } = plan.original
  const history = new HistoryWriter(directory, `original${index}`)
  const mine = (count: number): number[] =>
    Array.from({ length: count }, (_, i) => i).filter((i) => i % plan.processes === index)
  const open = (name: string): Client => new Client(url, plan, name)
  const ownWriters = mine(writers).map((i) => ({ client: open(`writer${i}`), key: keyOf(i) }))
  const ownReaders = mine(readers).map((i) => open(`reader${i}`))
  const all = [...ownWriters.map(({ client }) => client), ...ownReaders]
  await Promise.all(all.map(({ cache }) => cache.connect()))
  const stopping = new AbortController()
  const finished = Promise.all([
    ...ownWriters.map(({ client, key }) => write(client, key, plan.original, history, stopping.signal)),
    ...ownReaders.map((client) => read(client, plan.original, history, stopping.signal)),
  ])
  return {
    get progress() {
      return { operations: history.count, compared: 0, violations: 0 }
    },
    finished,
    stop: async () => {
      stopping.abort()
      await finished
      await Promise.all(all.map(({ cache }) => cache.close()))
      history.close()
    },
  }
}

const keyOf = (writer: number): string => `writer-${writer}`

class Client {
  readonly name: string
  readonly cache: CacheUnderTest
  readonly observer: Observer
  readonly random: Random

  constructor(url: string, plan: Plan, name: string) {
    this.name = name
    this.cache = openCache(url, plan, 0)
    this.observer = new Observer(
      this.cache,
      () => {},
      () => {},
    )
    this.random = new Random(`${plan.seed} ${name}`)
  }
}

async function write(
  { name, cache, random }: Client,
  key: string,
  { writeIterations, ttlMs }: OriginalProfile,
  history: HistoryWriter,
  stopping: AbortSignal,
): Promise<void> {
  for (let version = 1; version <= writeIterations && !stopping.aborted; version++) {
    const value: Version = { version, stamp: name }
    const start = now()
    await cache.set(key, value, { ttl: ttlMs })
    history.add({
      op: 'set',
      node: name,
      key,
      ...value,
      tags: [],
      ttlMs,
      acknowledged: true,
      start,
      end: now(),
    })
    await pause(random.next() * WRITER_PAUSE_MS)
  }
}

async function read(
  { name, cache, observer, random }: Client,
  { writers, readIterations }: OriginalProfile,
  history: HistoryWriter,
  stopping: AbortSignal,
): Promise<void> {
  for (let i = 0; i < readIterations && !stopping.aborted; i++) {
    const key = keyOf(random.below(writers))
    const { troubles } = observer
    const refetchedFrom = observer.refetchedFrom(key)
    const start = now()
    const { promise, hits } = observer.call(() => cache.get<Version>(key))
    const found = (await promise) ?? null
    const end = now()
    observer.hasRead(key, refetchedFrom)
    const tier = hits.length > 0 ? 'local' : 'store'
    const doubtful = observer.troubles > troubles
    const about = { node: name, call: 'get', key, fresh: false, tier, refetchedFrom } as const
    history.add({ op: 'read', ...about, found, doubtful, start, end })
    await pause(random.next() * READER_PAUSE_MS)
  }
}
