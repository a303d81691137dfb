// As many calls as go through, from a fixed number of callers, each waiting for its answer before it asks again.

import type { Contender } from '../contender.ts'
import { Latencies } from '../latencies.ts'
import { createKeyPicker, valueOf } from '../values.ts'

// Two clock reads a call would be a good part of a local hit.
const CALLS_PER_SAMPLE = 16

export interface SaturateInput {
  readonly operation: 'get' | 'set'
  readonly set: string
  readonly keys: number
  readonly bytes: number
  readonly callers: number
  readonly ms: number
  readonly ttlMs: number
}

export interface SaturateOutput {
  readonly calls: number
  readonly ms: number
  readonly cpuMs: number
  readonly latencies: Float64Array
}

export async function saturate(
  clients: readonly Contender[],
  { operation, set, keys, bytes, callers, ms, ttlMs }: SaturateInput,
): Promise<SaturateOutput> {
  const nextKey = createKeyPicker(set, keys)
  const value = valueOf(0, bytes)
  const latencies = new Latencies()
  let calls = 0
  let isOver = false

  const call =
    operation === 'get'
      ? (client: Contender, key: string) => client.get(key)
      : (client: Contender, key: string) => client.set(key, value, ttlMs)
  const cpu = process.cpuUsage()
  const start = performance.now()
  const end = start + ms
  const caller = async (client: Contender): Promise<void> => {
    while (!isOver) {
      const key = nextKey()
      const isSampled = calls++ % CALLS_PER_SAMPLE === 0
      const sent = isSampled ? performance.now() : 0
      const answer = await call(client, key)
      if (answer === undefined && operation === 'get') throw new Error(`${client.name}: missed ${key}`)
      if (!isSampled) continue
      const now = performance.now()
      latencies.add(now - sent)
      // No timer: a contender that answers from memory would let none fire.
      isOver ||= now > end
    }
  }
  await Promise.all(
    Array.from({ length: callers }, (_, i) => caller(clients[i % clients.length] as Contender)),
  )
  const took = performance.now() - start
  const { user, system } = process.cpuUsage(cpu)
  return { calls, ms: took, cpuMs: (user + system) / 1000, latencies: latencies.toArray() }
}
