// Writes a set of keys, so that reads find something.

import type { Contender } from '../contender.ts'
import { keysOf, valueOf } from '../values.ts'

const AT_ONCE = 256

export interface FillInput {
  readonly set: string
  readonly keys: number
  readonly bytes: number
  readonly ttlMs: number
}

export async function fill(clients: readonly Contender[], input: FillInput): Promise<void> {
  const [client] = clients
  if (!client) throw new Error('there is no client to fill with')
  const keys = keysOf(input.set, input.keys).entries()
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const [i, key] of keys) await client.set(key, valueOf(i, input.bytes), input.ttlMs)
    }),
  )
}
