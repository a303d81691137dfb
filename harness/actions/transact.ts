// A transaction of a caller's: its begin, its end, and the cache's part in it. None of this may fail because of the cache.

import type { PoolClient } from 'pg'
import type { EntryOptions, TransactionCache } from 'postgres-cache'
import { type Commit, now } from '../history.ts'
import type { Client } from '../node.ts'

const ROLLBACKS = 0.2
const SERIALIZATION_FAILURE = '40001'

export type Isolation = 'read committed' | 'repeatable read'

export interface Transaction {
  readonly tx: PoolClient
  readonly isolation: Isolation
  readonly stamp: string
}

/** Does the work in a transaction and then commits it or not. The work resolves to the new versions of the keys that it has changed. */
export async function transact(
  client: Client,
  by: Commit['by'],
  work: (transaction: Transaction) => Promise<ReadonlyMap<string, number>>,
): Promise<void> {
  const { node, random } = client
  const stamp = client.nextStamp()
  const isolation: Isolation = random.chance(0.25) ? 'repeatable read' : 'read committed'
  const commits = !random.chance(ROLLBACKS)
  const tx = await node.transactions.connect()
  const begun = now()
  let isBroken = false
  try {
    await tx.query(`begin isolation level ${isolation}`)
    const versions = await work({ tx, isolation, stamp })
    const start = now()
    let acknowledged = false
    try {
      await tx.query(commits ? 'commit' : 'rollback')
      acknowledged = true
    } finally {
      const times = { start, end: now() }
      for (const [key, version] of versions) {
        if (commits) node.record({ op: 'commit', key, version, stamp, by, acknowledged, ...times })
        else node.record({ op: 'rollback', key, version, stamp, ...times })
      }
    }
  } catch (error) {
    // Its own statements met another writer: that is REPEATABLE READ, and no fault of the cache.
    const isExpected = isolation === 'repeatable read' && codeOf(error) === SERIALIZATION_FAILURE
    if (!isExpected && !(error instanceof CallFailed)) node.fail("a caller's transaction", error, begun)
    await tx.query('rollback').catch(() => {
      isBroken = true
    })
  } finally {
    tx.release(isBroken)
  }
}

class CallFailed extends Error {}

/** The calls of one transaction's cache, each recorded; one that fails has broken a promise. */
export class Calls {
  readonly #client: Client
  readonly #cached: TransactionCache

  private constructor(client: Client, cached: TransactionCache) {
    this.#client = client
    this.#cached = cached
  }

  static async begin(client: Client, tx: PoolClient): Promise<Calls> {
    return new Calls(client, await client.node.cache.withTransaction(tx))
  }

  invalidate(key: string): Promise<void> {
    return this.#run('invalidate', [`k${key}`], () => this.#cached.invalidate(key))
  }

  delete(key: string): Promise<void> {
    return this.#run('delete', [`k${key}`], () => this.#cached.delete(key))
  }

  invalidateTags(...tags: string[]): Promise<void> {
    const targets = tags.map((tag) => `t${tag}`)
    return this.#run('invalidateTags', targets, () => this.#cached.invalidateTags(tags))
  }

  deleteByPrefix(prefix: string): Promise<void> {
    return this.#run('deleteByPrefix', [`p${prefix}`], () => this.#cached.deleteByPrefix(prefix))
  }

  set(key: string, value: unknown, options: EntryOptions): Promise<void> {
    return this.#run('set', [`k${key}`], () => this.#cached.set(key, value, options))
  }

  async #run(call: string, targets: readonly string[], run: () => Promise<void>): Promise<void> {
    const { node } = this.#client
    const start = now()
    try {
      await run()
    } catch (error) {
      node.fail(`${call} in a caller's transaction`, error, start)
      throw new CallFailed(call, { cause: error })
    }
    node.record({ op: 'step', call, targets, start, end: now() })
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
