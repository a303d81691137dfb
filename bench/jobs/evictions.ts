// Listens in the local caches of this process for what others change.

import { setTimeout as delay } from 'node:timers/promises'
import type { Contender } from '../contender.ts'
import { machineMs } from '../machine-clock.ts'

// A local cache that nobody reads may stop listening: it has nothing to lose.
const READ_EVERY_MS = 20

interface Armed {
  readonly key: string
  readonly evict: (ms: number) => void
}

const armed = new Map<Contender, Armed>()
const listening = new WeakSet<Contender>()
let evictions: readonly Promise<number>[] = []

/** Takes the key into each client's local cache and waits for its eviction. */
export async function armEvictions(clients: readonly Contender[], { key }: { key: string }): Promise<void> {
  for (const client of clients) listen(client)
  await Promise.all(clients.map((client) => client.get(key)))
  evictions = clients.map((client) => new Promise((resolve) => armed.set(client, { key, evict: resolve })))
}

/** When each client dropped the key; Infinity for those that did not within the patience. */
export async function collectEvictions(
  clients: readonly Contender[],
  { key, patienceMs }: { key: string; patienceMs: number },
): Promise<number[]> {
  const over = new AbortController()
  const reading = keepReading(clients, key, over.signal)
  const late = delay(patienceMs, Infinity, { signal: over.signal })
  const times = await Promise.all(evictions.map((eviction) => Promise.race([eviction, late])))
  over.abort()
  await Promise.allSettled([late, reading])
  armed.clear()
  return times
}

/** Reads the key now and then, so that the local caches stay in use. */
export async function stayInUse(
  clients: readonly Contender[],
  { key, ms }: { key: string; ms: number },
): Promise<void> {
  await keepReading(clients, key, AbortSignal.timeout(ms))
}

/** Overwrites the key: when that was sent, and when it was acknowledged. */
export async function overwrite(
  [client]: readonly Contender[],
  { key, value, ttlMs }: { key: string; value: unknown; ttlMs: number },
): Promise<{ sentMs: number; doneMs: number }> {
  if (!client) throw new Error('there is no client to write with')
  const sentMs = machineMs()
  await client.set(key, value, ttlMs)
  return { sentMs, doneMs: machineMs() }
}

function listen(client: Contender): void {
  if (listening.has(client)) return
  listening.add(client)
  client.onEvicted?.((key) => {
    const wanted = armed.get(client)
    // Some clients know their keys under a prefix of their own.
    if (wanted && key.endsWith(wanted.key)) wanted.evict(machineMs())
  })
}

async function keepReading(clients: readonly Contender[], key: string, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    await Promise.all(clients.map((client) => client.get(key)))
    await delay(READ_EVERY_MS)
  }
}
