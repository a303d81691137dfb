// Many callers ask for one missing key at the same moment.

import { setTimeout as delay } from 'node:timers/promises'
import type { Contender } from '../contender.ts'
import { machineMs } from '../machine-clock.ts'
import { valueOf } from '../values.ts'

export interface StampedeInput {
  readonly key: string
  readonly callers: number
  readonly loaderMs: number
  readonly ttlMs: number
}

export interface StampedeOutput {
  readonly startedMs: number
  /** When each loader of this process returned its value. */
  readonly loadedMs: readonly number[]
  /** When each caller of this process had its answer. */
  readonly answeredMs: readonly number[]
}

export async function stampede(
  [client]: readonly Contender[],
  { key, callers, loaderMs, ttlMs }: StampedeInput,
): Promise<StampedeOutput> {
  if (!client) throw new Error('there is no client to ask')
  const startedMs = machineMs()
  const loadedMs: number[] = []
  const load = async (): Promise<unknown> => {
    await delay(loaderMs)
    loadedMs.push(machineMs())
    return valueOf(0, 100)
  }
  const answeredMs = await Promise.all(
    Array.from({ length: callers }, async () => {
      await getOrSet(client, key, load, ttlMs)
      return machineMs()
    }),
  )
  return { startedMs, loadedMs, answeredMs }
}

/** What an application does by itself with a client that has no such call. */
async function getOrSet(
  client: Contender,
  key: string,
  load: () => Promise<unknown>,
  ttlMs: number,
): Promise<unknown> {
  if (client.getOrSet) return client.getOrSet(key, load, ttlMs)
  const found = await client.get(key)
  if (found !== undefined) return found
  const loaded = await load()
  await client.set(key, loaded, ttlMs)
  return loaded
}
