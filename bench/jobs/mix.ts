// Reads and writes mixed, of keys of unequal popularity: by callers that wait, or at a given rate whatever the answers.

import { atRate } from '../at-rate.ts'
import type { Contender } from '../contender.ts'
import { Latencies } from '../latencies.ts'
import { keyOf, valueOf } from '../values.ts'
import { createZipf } from '../zipf.ts'

const CALLS_PER_TURN = 64

export interface MixInput {
  readonly set: string
  readonly keys: number
  readonly bytes: number
  readonly ttlMs: number
  readonly readShare: number
  readonly pace: Pace
  readonly ms: number
}

export type Pace = { readonly callers: number } | { readonly perSecond: number }

export interface MixOutput {
  readonly reads: Float64Array
  readonly writes: Float64Array
  readonly hits: number
  readonly ms: number
  readonly cpuMs: number
}

export async function mix(clients: readonly Contender[], input: MixInput): Promise<MixOutput> {
  const { set, bytes, ttlMs, readShare, pace, ms } = input
  const nextRank = createZipf(input.keys)
  const value = valueOf(0, bytes)
  const reads = new Latencies()
  const writes = new Latencies()
  let hits = 0
  let calls = 0

  const call = async (): Promise<void> => {
    const client = clients[calls++ % clients.length] as Contender
    const key = keyOf(set, nextRank())
    const isRead = Math.random() < readShare
    const start = performance.now()
    if (isRead) {
      if ((await client.get(key)) !== undefined) hits += 1
      reads.add(performance.now() - start)
    } else {
      await client.set(key, value, ttlMs)
      writes.add(performance.now() - start)
    }
  }

  const cpu = process.cpuUsage()
  const start = performance.now()
  await ('callers' in pace ? byCallers(pace.callers, ms, call) : atRate(pace.perSecond, ms, call))
  const took = performance.now() - start
  const { user, system } = process.cpuUsage(cpu)
  return { reads: reads.toArray(), writes: writes.toArray(), hits, ms: took, cpuMs: (user + system) / 1000 }
}

async function byCallers(callers: number, ms: number, call: () => Promise<void>): Promise<void> {
  const end = performance.now() + ms
  await Promise.all(
    Array.from({ length: callers }, async () => {
      for (let i = 1; performance.now() < end; i++) {
        await call()
        // Whoever is answered from memory must still let the process hear of the changes of others.
        if (i % CALLS_PER_TURN === 0) await new Promise(setImmediate)
      }
    }),
  )
}
