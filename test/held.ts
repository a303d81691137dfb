import { expect } from 'vitest'
import type { Cache } from '../src/contract.ts'

/**
 * The value of a key once the local cache holds it. A reply may be kept out for a moment: by what is still heard of an
 * earlier write, or by a lease that lapsed on a busy machine.
 */
export async function held(cache: Cache, key: string): Promise<unknown> {
  let value: unknown
  const look = async (): Promise<unknown> => {
    await cache.get(key)
    value = cache.peek(key)
    return value
  }
  await expect.poll(look, { interval: 5 }).toBeDefined()
  return value
}
