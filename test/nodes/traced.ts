// Calls of getOrSet in a process of its own, and the ordered log of what became of each key.

import { type Cache, type CacheOptions, type GetOrSetOptions, PostgresCache } from '../../src/index.ts'
import { Latch } from '../latch.ts'

export interface Asked {
  readonly key: string
  readonly options?: GetOrSetOptions
  /** What the loader does; left out: it must not run. */
  readonly loader?:
    | { readonly returns: unknown; readonly after?: string }
    | { readonly fails: string }
    | { readonly notModified: true }
}

export interface Outcome {
  readonly value?: unknown
  /** The code of a CacheError, or the message of any other. */
  readonly error?: string
}

const logs = new Map<string, string[]>()
const gates = new Map<string, Latch>()

function gate(name: string): Latch {
  const known = gates.get(name) ?? new Latch()
  gates.set(name, known)
  return known
}

function write(key: string, line: string): void {
  logs.set(key, [...(logs.get(key) ?? []), line])
}

/** With a waitUntil, which tells the log of `background`. */
export function openTraced(options: CacheOptions): PostgresCache {
  const cache = new PostgresCache({
    ...options,
    waitUntil: (work) => {
      write('background', 'handed over')
      void work.finally(() => write('background', 'done'))
    },
  })
  cache.on('hit', ({ key, tier }) => write(key, `hit: ${tier}`))
  cache.on('missed', ({ key }) => write(key, 'missed'))
  cache.on('loaded', ({ key, stored }) => write(key, stored ? 'loaded and stored' : 'loaded'))
  cache.on('load-failed', ({ key }) => write(key, 'load failed'))
  return cache
}

export async function getOrSet(cache: Cache, { key, options = {}, loader }: Asked): Promise<Outcome> {
  try {
    const value = await cache.getOrSet<unknown>(
      key,
      async ({ notModified }) => {
        write(key, 'loader begins')
        if (loader === undefined) throw new Error('the loader must not run')
        if ('fails' in loader) throw new Error(loader.fails)
        if ('notModified' in loader) return notModified()
        if (loader.after !== undefined) await gate(loader.after).opened
        return loader.returns
      },
      options,
    )
    return { value }
  } catch (error) {
    const { code, message } = error as Error & { code?: string }
    return { error: code ?? message }
  }
}

export const tracing = {
  openGate(name: string): void {
    gate(name).open()
  },

  /** Since the last time it was taken. */
  takeLog(key: string): readonly string[] {
    const log = logs.get(key) ?? []
    logs.delete(key)
    return log
  },

  /** Without taking it. */
  logOf(key: string): readonly string[] {
    return logs.get(key) ?? []
  },

  /** What is left to chance is no longer. */
  draw(random: number): void {
    Math.random = () => random
  },
} as const
