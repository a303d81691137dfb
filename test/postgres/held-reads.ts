// Keeps whoever reads entries waiting, as a slow server does.

import { expect } from 'vitest'
import type { TestDatabase } from '../database.ts'

export interface HeldReads extends AsyncDisposable {
  /** Resolves once a statement waits. */
  readonly awaited: () => Promise<void>
  readonly release: () => Promise<void>
}

/** Uses the tests' own connection until they are released. */
export async function holdReads({ query }: Pick<TestDatabase, 'query'>): Promise<HeldReads> {
  await query('begin; lock table postgres_cache.entries in access exclusive mode')
  const waiting = `select from pg_locks where not granted and relation = 'postgres_cache.entries'::regclass`
  let released: Promise<unknown> | undefined
  const release = async (): Promise<void> => void (await (released ??= query('commit')))
  return {
    awaited: () => expect.poll(() => query(waiting), { interval: 5 }).not.toHaveLength(0),
    release,
    [Symbol.asyncDispose]: release,
  }
}
