// What entries of a local cache cost in the heap. Needs --expose-gc.

import type { Contender } from '../contender.ts'
import { keysOf } from '../values.ts'

// Compiled code, connections and buffers are there before it is measured.
const WARM_UP_KEYS = 64
const WARM_UP_READS = 4_000

export interface MemoryInput {
  readonly set: string
  readonly keys: number
}

export interface MemoryOutput {
  readonly bytesPerEntry: number
  /** What the contender itself says that they cost. */
  readonly accountedBytes: number | undefined
  readonly rssBytes: number
}

export async function memory(
  [client]: readonly Contender[],
  { set, keys: count }: MemoryInput,
): Promise<MemoryOutput> {
  if (!client) throw new Error('there is no client to measure')
  // The keys are strings of the caller: made before, so that only what is kept beside them is counted.
  const keys = keysOf(set, count)
  const measured = keys.slice(WARM_UP_KEYS)
  for (let i = 0; i < WARM_UP_READS; i++) await client.get(keys[i % WARM_UP_KEYS] as string)
  const accountedBefore = client.localBytes?.()
  const before = heapBytes()
  for (const key of measured) await client.get(key)
  const after = heapBytes()
  const accounted = client.localBytes?.()
  return {
    bytesPerEntry: (after - before) / measured.length,
    accountedBytes:
      accounted === undefined || accountedBefore === undefined
        ? undefined
        : (accounted - accountedBefore) / measured.length,
    rssBytes: process.memoryUsage.rss(),
  }
}

function heapBytes(): number {
  if (!globalThis.gc) throw new Error('Node was not started with --expose-gc')
  globalThis.gc()
  globalThis.gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
