// Hits of the local cache, one after the other, against the least that a local cache could do.

import { PostgresCache } from 'postgres-cache'
import type { Address, Contender } from '../contender.ts'
import { keysOf, valueOf } from '../values.ts'

const KEYS = 1_000
const BYTES = 100
const TTL_MS = 600_000
const CALLS_PER_CLOCK_READ = 256

export type Loop = 'get' | 'peek' | 'bare loop' | 'bare loop, awaited'
export type Values = 'clone' | 'share' | 'freeze'

export interface LocalHitsInput {
  readonly address: Address
  readonly loop: Loop
  readonly values: Values
  readonly ms: number
}

export interface LocalHitsOutput {
  readonly calls: number
  readonly ms: number
}

export async function localHits(
  _clients: readonly Contender[],
  { address, loop, values, ms }: LocalHitsInput,
): Promise<LocalHitsOutput> {
  const keys = keysOf(`l1:${values}`, KEYS)
  await using cache = new PostgresCache({
    connectionString: address.url,
    schema: address.schema,
    notifyChannel: address.schema,
    local: { values },
    maxStaleness: '1h', // no sync may interrupt the loop
  })
  await cache.setMany(
    keys.map((key, i) => [key, valueOf(i, BYTES)]),
    { ttl: TTL_MS },
  )
  await cache.getMany(keys)
  const run = { get: awaited, peek: direct, 'bare loop': direct, 'bare loop, awaited': awaited }[loop]
  return await run(keys, ms, answerOf(cache, loop, values, keys))
}

type Answer = (key: string) => unknown

function answerOf(cache: PostgresCache, loop: Loop, values: Values, keys: readonly string[]): Answer {
  if (loop === 'get') return (key) => cache.get(key)
  if (loop === 'peek') return (key) => cache.peek(key)
  return bareAnswer(values, keys, loop === 'bare loop, awaited')
}

/** A map, one clock read for the expiry, and JSON.parse where every caller gets a value of its own. */
function bareAnswer(values: Values, keys: readonly string[], isAwaited: boolean): Answer {
  const expiresAt = performance.now() + TTL_MS
  const isParsed = values === 'clone'
  const map = new Map(
    keys.map((key, i) => {
      const value = valueOf(i, BYTES)
      return [key, { expiresAt, content: isParsed ? JSON.stringify(value) : value }]
    }),
  )
  const answer = (key: string): unknown => {
    const entry = map.get(key)
    if (entry === undefined || entry.expiresAt < performance.now()) return undefined
    return isParsed ? JSON.parse(entry.content as string) : entry.content
  }
  return isAwaited ? (key) => Promise.resolve(answer(key)) : answer
}

async function awaited(keys: readonly string[], ms: number, answer: Answer): Promise<LocalHitsOutput> {
  const start = performance.now()
  for (let calls = 0; ;) {
    for (let i = 0; i < CALLS_PER_CLOCK_READ; i++) {
      if ((await answer(keys[calls++ % KEYS] as string)) === undefined) throw new Error('missed')
    }
    const took = performance.now() - start
    if (took > ms) return { calls, ms: took }
  }
}

async function direct(keys: readonly string[], ms: number, answer: Answer): Promise<LocalHitsOutput> {
  const start = performance.now()
  for (let calls = 0; ;) {
    for (let i = 0; i < CALLS_PER_CLOCK_READ; i++) {
      if (answer(keys[calls++ % KEYS] as string) === undefined) throw new Error('missed')
    }
    const took = performance.now() - start
    if (took > ms) return { calls, ms: took }
  }
}
