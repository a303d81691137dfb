// Makes caches and closes them at any moment of what they do, a few at a time.

import { type CacheOptions, isCacheError, PostgresCache } from '../../src/index.ts'

const AT_ONCE = 4
// From before it connects to well after its first answers.
const MAX_TURNS = 400

interface Closed {
  /** Of calls that did not succeed. */
  readonly codes: readonly string[]
  readonly slowestMs: number
  /** What still keeps the process, but for the channel to its parent and its streams. */
  readonly handles: readonly string[]
  /** Of heap, after the second half against after the first. */
  readonly extraMib: number
}

export async function openAndClose(given: { cycles: number; options: CacheOptions }): Promise<Closed> {
  const codes = new Set<string>()
  let slowestMs = 0
  const before = handles()
  const half = async (): Promise<void> => {
    let left = given.cycles / 2
    const work = async (): Promise<void> => {
      while (left-- > 0) slowestMs = Math.max(slowestMs, await cycle(given.options, left, codes))
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
  }
  await half()
  const heap = heapUsed()
  await half()
  const extraMib = (heapUsed() - heap) / 1024 ** 2
  return {
    codes: [...codes],
    slowestMs,
    handles: handles().filter((name) => !before.includes(name)),
    extraMib,
  }
}

/** Milliseconds that close() took. */
async function cycle(options: CacheOptions, i: number, codes: Set<string>): Promise<number> {
  const cache = new PostgresCache({ ...options, notifications: i % 3 === 0 ? 'poll' : 'listen' })
  const calls = [
    cache.get(`key ${i % 7}`),
    cache.getOrSet(`loaded ${i % 7}`, () => new Promise((resolve) => setTimeout(resolve, i % 5, i))),
    cache.set(`key ${i % 7}`, i),
    cache.delete(`key ${(i + 1) % 7}`),
    cache.sync(),
  ]
  const settled = Promise.allSettled(calls)
  for (let turns = (i * 37) % MAX_TURNS; turns > 0; turns--) await new Promise(setImmediate)
  const began = performance.now()
  await cache.close()
  const tookMs = performance.now() - began
  for (const outcome of await settled)
    if (outcome.status === 'rejected')
      codes.add(isCacheError(outcome.reason) ? outcome.reason.code : String(outcome.reason))
  return tookMs
}

function handles(): string[] {
  return process.getActiveResourcesInfo()
}

function heapUsed(): number {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}
