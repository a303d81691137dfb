// Load locks as rows with a deadline, for where no session can be had: polling, or a pooler in transaction mode.

import type { Driver } from './driver.ts'
import type { Claims, LoadLocks } from './locks.ts'
import type { Statements } from './statements.ts'
import type { ReadReply, Store } from './store.ts'

// Waiters look again after this and as much again at random, so that those of one key spread out.
const POLL_MS = 50

export class LeaseLocks implements LoadLocks {
  readonly #driver: Driver
  readonly #sql: Statements
  readonly #store: Store
  readonly #holder = crypto.randomUUID()
  readonly #leaseMs: number
  readonly #holding = new Set<string>()

  /** `leaseMs`: how long a killed holder keeps others waiting; no loader runs longer. */
  constructor(driver: Driver, statements: Statements, store: Store, leaseMs: number) {
    this.#driver = driver
    this.#sql = statements
    this.#store = store
    this.#leaseMs = leaseMs
  }

  async claim(keys: readonly string[]): Promise<Claims | null> {
    // A holder is given its row again.
    // In one order in all processes, or two of them would wait for each other's rows.
    const free = keys.filter((key) => !this.#holding.has(key)).toSorted()
    const rows =
      free.length === 0
        ? []
        : await this.#driver.query(this.#sql.acquireLeases, [free, this.#holder, this.#leaseMs])
    const won = new Set(free.filter((key, i) => rows[i]?.[0] === 't' && !this.#holding.has(key)))
    for (const key of won) this.#holding.add(key)
    try {
      const held = keys.map((key) => won.has(key))
      return { held, heard: keys.map(() => 0), read: await this.#store.readMany(keys) }
    } catch (error) {
      await this.release([...won])
      throw error
    }
  }

  look(key: string): Promise<ReadReply> {
    return this.#store.readMany([key])
  }

  async enlist(): Promise<void> {}

  delist(): void {}

  sleep(_key: string, ms: number): Promise<boolean> {
    return new Promise((resolve) => setTimeout(resolve, Math.min(ms, POLL_MS * (1 + Math.random())), false))
  }

  async release(keys: readonly string[]): Promise<void> {
    await this.#driver.query(this.#sql.releaseLeases, [keys, this.#holder]).catch(() => []) // their deadline ends them
    for (const key of keys) this.#holding.delete(key)
  }
}
