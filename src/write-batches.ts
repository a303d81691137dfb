// How a batch of writes reaches the store: in the world that the tables are in, around rows that others hold, and again after conflicts. One bad
// or locked key never delays its neighbours.

import type { CacheError } from './core/errors.ts'
import type { Version } from './core/entry.ts'
import type { Gate } from './gate.ts'
import { Failure } from './memory/batch-slot.ts'
import type { Replies } from './memory/batcher.ts'
import { Turns } from './memory/turns.ts'
import {
  isAmbiguous,
  isRetryable,
  LOCK_NOT_AVAILABLE,
  sqlStateOf,
  WORLD_CHANGED,
} from './postgres/failures.ts'
import type { EntryWrite, Store } from './postgres/store.ts'
import type { Sync } from './sync.ts'

// A batch meets a row that a caller's transaction holds: rare, so that looking first would cost every batch more than
// this costs the one.
const BATCH_LOCK_TIMEOUT_MS = 20
const LOCK_TIMEOUT_MS = 100 // below deadlock_timeout
const MIN_LOCK_TIMEOUT_MS = 10 // longer than other processes hold a row that they count in
const RETRY_PAUSE_MS = 20
// What goes by itself leaves a connection of the default pool to reads: thousands of counters at once would be in front of them.
const MAX_APART = 3

export type Operation =
  | {
      readonly kind: 'write'
      readonly key: string
      readonly size: number
      readonly write: EntryWrite
      /** 0: it is kept out of the local cache. */
      readonly localTtlMs: number
    }
  | {
      readonly kind: 'atomic'
      readonly call: AtomicCall
      readonly key: string
      readonly size: number
      readonly run: AtomicRun
      /** What the local cache may keep if it is done; null: nothing. */
      readonly write: EntryWrite | null
    }
  | { readonly kind: 'remove'; readonly key: string }
  | { readonly kind: 'touch'; readonly key: string; readonly freshMs: number | null }
  | { readonly kind: 'expire'; readonly key: string }

/** What the caller called: they are one kind of statement, and not one thing to complain about. */
export type AtomicCall = 'add' | 'compareAndSet' | 'increment' | 'take'

/** A write that depends on what is there. */
export type AtomicRun = (
  world: string,
  lockTimeoutMs: number,
) => Promise<{ readonly version: Version; readonly done: boolean; readonly result: unknown }>

/** `done`: a fill that was not refused; a removal, touch or expiry that found a live entry. */
export interface Written {
  readonly world: string
  readonly version: Version
  readonly done: boolean
  /** What was written in the end: of two sets in one batch, the later. */
  readonly operation: Operation
  /** Of an atomic write. */
  readonly result?: unknown
  /** What it shares a statement with. */
  readonly statement: WrittenStatement
}

/** What one statement did, until all of it was taken in. */
export class WrittenStatement {
  readonly #taken = new Set<Operation>()
  readonly #operations: number

  constructor(operations: number) {
    this.#operations = operations
  }

  /** Whether nothing of it is left. */
  take(operation: Operation): boolean {
    return this.#taken.add(operation).size === this.#operations
  }
}

export interface WriteBatchesOptions {
  readonly store: Store
  readonly gate: Gate
  readonly sync: Sync
  readonly timeoutMs: number
}

export class WriteBatches {
  readonly #options: WriteBatchesOptions
  readonly #turns = new Turns(MAX_APART)

  constructor(options: WriteBatchesOptions) {
    this.#options = options
  }

  async send(operations: Operation[]): Promise<Replies<Written>> {
    if (operations[0]?.kind === 'atomic') return operations.map((operation) => this.#sendApart(operation))
    try {
      return await this.#attempt(
        operations,
        operations.length === 1 ? LOCK_TIMEOUT_MS : BATCH_LOCK_TIMEOUT_MS,
      )
    } catch (error) {
      const state = sqlStateOf((error as CacheError).cause)
      if (state === undefined || isAmbiguous(error)) throw error
      if (operations.length === 1) {
        if (!isRetryable((error as CacheError).cause)) throw error
        return operations.map((operation) => this.#sendApart(operation))
      }
      if (state === LOCK_NOT_AVAILABLE) return this.#sendAroundLocks(operations)
      // One of them is at fault, or the server was busy with others: apart, each fares as it deserves.
      return operations.map((operation) => this.#sendApart(operation))
    }
  }

  /** The keys that nobody holds go together; the others try apart, and keep later writes of their keys waiting. */
  async #sendAroundLocks(operations: Operation[]): Promise<Replies<Written>> {
    const { gate, store } = this.#options
    const free = new Set(await gate.pass('write', () => store.freeKeys(operations.map(({ key }) => key))))
    const unlocked = operations.filter(({ key }) => free.has(key))
    const sent = unlocked.length > 0 ? this.#attempt(unlocked, BATCH_LOCK_TIMEOUT_MS) : Promise.resolve([])
    const written = await sent.catch((error: unknown) => {
      // It may yet be done, after a later write of the same key.
      if (isAmbiguous(error)) return unlocked.map(() => new Failure(error))
      return unlocked.map((operation) => this.#sendApart(operation))
    })
    const byKey = new Map(
      unlocked.map(({ key }, i) => [key, written[i] as Written | Failure | Promise<Written>]),
    )
    return operations.map((operation) => byKey.get(operation.key) ?? this.#sendApart(operation))
  }

  /** One operation by itself, again after conflicts until queryTimeout. */
  async #sendApart(operation: Operation): Promise<Written> {
    // From the first turn on: waiting for it is no conflict.
    let deadline = Infinity
    const attempt = (): Promise<Written[]> => {
      deadline = Math.min(deadline, performance.now() + this.#options.timeoutMs)
      // Whoever waits for a row keeps others waiting who do not need it, and who are many where one transaction holds many rows.
      const lockTimeoutMs = Math.round(LOCK_TIMEOUT_MS / (1 + this.#turns.waiting))
      return this.#attempt([operation], Math.max(MIN_LOCK_TIMEOUT_MS, lockTimeoutMs))
    }
    for (;;) {
      try {
        return (await this.#turns.take(attempt))[0] as Written
      } catch (error) {
        if (!isRetryable((error as CacheError).cause) || performance.now() >= deadline) throw error
      }
      // Jitter: whoever collided with us tries again, too.
      await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS * Math.random()))
    }
  }

  async #attempt(operations: readonly Operation[], lockTimeoutMs: number): Promise<Written[]> {
    return this.inWorld((world) =>
      this.#options.gate.pass(
        operations[0]?.kind ?? 'write',
        async () => {
          const [first] = operations
          const statement = new WrittenStatement(operations.length)
          if (first?.kind === 'atomic')
            return [{ world, operation: first, ...(await first.run(world, lockTimeoutMs)), statement }]
          const { version, isDone } = await this.#run(world, operations, lockTimeoutMs)
          return operations.map((operation) => ({
            world,
            version,
            operation,
            done: isDone(operation.key),
            statement,
          }))
        },
        operations.length,
        operations[0]?.kind === 'atomic' ? operations[0] : undefined,
      ),
    )
  }

  async #run(
    world: string,
    operations: readonly Operation[],
    lockTimeoutMs: number,
  ): Promise<{ version: Version; isDone: (key: string) => boolean }> {
    const { store } = this.#options
    const first = operations[0] as Operation
    const keys = operations.map(({ key }) => key)
    // oxlint-disable-next-line typescript/switch-exhaustiveness-check -- writes are the rest
    switch (first.kind) {
      case 'remove': {
        const { version, live } = await store.removeMany(world, keys)
        return { version, isDone: among(live) }
      }
      case 'touch': {
        const touches = operations.filter((operation) => operation.kind === 'touch')
        const { version, touched } = await store.touchMany(world, touches, lockTimeoutMs)
        return { version, isDone: among(touched) }
      }
      case 'expire': {
        const { version, touched } = await store.expireMany(world, keys, lockTimeoutMs)
        return { version, isDone: among(touched) }
      }
      default: {
        const writes = operations.filter((operation) => operation.kind === 'write')
        // A token means nothing in another world.
        const sent = writes.filter(({ write }) => write.token === null || write.token.world === world)
        if (sent.length === 0) return { version: '', isDone: () => false }
        const { version, refused } = await store.writeMany(
          world,
          sent.map(({ write }) => write),
          lockTimeoutMs,
        )
        if (refused.length === 0 && sent.length === writes.length) return { version, isDone: () => true }
        const stored = new Set(sent.map(({ key }) => key))
        for (const key of refused) stored.delete(key)
        return { version, isDone: (key) => stored.has(key) }
      }
    }
  }

  /** Runs a write in the world as it is known, and once more in the one that turns out to be. */
  async inWorld<T>(work: (world: string) => Promise<T>): Promise<T> {
    const { sync } = this.#options
    if (sync.world !== null) {
      try {
        return await work(sync.world)
      } catch (error) {
        if (sqlStateOf((error as CacheError).cause) !== WORLD_CHANGED) throw error
      }
    }
    return work(await sync.resettle())
  }
}

function among(keys: readonly string[]): (key: string) => boolean {
  const set = new Set(keys)
  return (key) => set.has(key)
}
