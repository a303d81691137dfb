// Writing: one queue for everything that changes keys, so that what a caller does to a key happens in the caller's order, and batches
// of one kind. An own write enters the local cache like a read, and reads that began before it can no longer be joined.

import type { EncodedValue } from './codecs/values.ts'
import type { Change } from './core/change.ts'
import type { StoredEntry, Version } from './core/entry.ts'
import { isCacheError } from './core/errors.ts'
import { toEntryWrite, toStored } from './entry-write.ts'
import type { Waiter } from './memory/batch-slot.ts'
import { Batcher } from './memory/batcher.ts'
import type { Budget } from './memory/budget.ts'
import type { LocalView } from './memory/coherence.ts'
import { LocalEntry } from './memory/local-entry.ts'
import type { Token } from './memory/tokens.ts'
import type { ValueMode } from './memory/value-modes.ts'
import { isAmbiguous } from './postgres/failures.ts'
import type { EntryWrite, LoadToken, Targets } from './postgres/store.ts'
import type { ResolvedSetOptions } from './options.ts'
import type { AtomicReply } from './postgres/atomic-store.ts'
import {
  type AtomicCall,
  type AtomicRun,
  type Operation,
  WriteBatches,
  type WriteBatchesOptions,
  type Written,
} from './write-batches.ts'

// Two batches under way use a second core of the server.
const MAX_CONCURRENT_WRITES = 2
const MAX_KEYS_PER_WRITE = 256
const MAX_BYTES_PER_WRITE = 1024 * 1024
const BYTES_PER_WRITE = 512

export interface WriterOptions extends WriteBatchesOptions {
  readonly local: LocalView
  readonly budget: Budget
  readonly mode: ValueMode
  readonly localTtlMs: number
}

export class Writer {
  readonly #options: WriterOptions
  readonly #batches: WriteBatches
  readonly #batcher: Batcher<Operation, Written>

  constructor(options: WriterOptions) {
    this.#options = options
    this.#batches = new WriteBatches(options)
    this.#batcher = new Batcher({
      run: (operations) => this.#batches.send(operations),
      maxConcurrent: MAX_CONCURRENT_WRITES,
      // One more costs the server what this process gains.
      maxConcurrentFull: MAX_CONCURRENT_WRITES,
      maxItems: MAX_KEYS_PER_WRITE,
      maxBytes: MAX_BYTES_PER_WRITE,
      budget: options.budget,
      bytesOf: (operation) =>
        BYTES_PER_WRITE + operation.key.length * 2 + ('size' in operation ? operation.size : 0),
      keyOf: (operation) => operation.key,
      exclusive: { kindOf: (operation) => operation.kind, merge: mergeSets },
    })
  }

  set(key: string, value: EncodedValue, options: ResolvedSetOptions): Promise<boolean> {
    return this.#write(
      this.#options.local.open(key),
      toWrite(key, value, options, null, this.#options.localTtlMs),
    )
  }

  /** All or nothing per statement; rejects with the first failure. */
  async setMany(
    entries: readonly { key: string; value: EncodedValue; options: ResolvedSetOptions }[],
  ): Promise<void> {
    const { local, localTtlMs } = this.#options
    const tokens = entries.map(({ key }) => local.open(key))
    const operations = entries.map(({ key, value, options }) =>
      toWrite(key, value, options, null, localTtlMs),
    )
    await this.#runMany(tokens, operations, (token, written) => this.acknowledge(token, written))
  }

  /** Whether it was stored: not, when something that the load could not see has overwritten or invalidated the key. */
  fill(
    token: Token,
    from: LoadToken,
    value: EncodedValue,
    options: ResolvedSetOptions,
    localTtlMs: number,
  ): Promise<boolean> {
    return this.#write(token, toWrite(token.key, value, options, from, localTtlMs))
  }

  prepareFills(world: string): Promise<void> {
    const { store, gate } = this.#options
    return gate.pass('prepare', () => store.prepareFills(world))
  }

  /** A write that happens only if what is there allows it; then it is let into the local cache. Whether it happened. */
  async writeAtomically(call: AtomicCall, write: EntryWrite, size: number, run: AtomicRun): Promise<boolean> {
    const { done } = await this.#runAtomic({ kind: 'atomic', call, key: write.key, size, run, write })
    return done
  }

  /** A write whose outcome only the server knows. */
  async changeAtomically<Result>(
    call: AtomicCall,
    key: string,
    run: (world: string, lockTimeoutMs: number) => Promise<AtomicReply<Result>>,
  ): Promise<Result> {
    const { result } = await this.#runAtomic({ kind: 'atomic', call, key, size: 0, run, write: null })
    return result as Result
  }

  async removeMany(keys: readonly string[]): Promise<boolean[]> {
    const { local } = this.#options
    const tokens = keys.map((key) => local.open(key))
    const operations = keys.map((key): Operation => ({ kind: 'remove', key }))
    const written = await this.#runMany(tokens, operations, (token, each) => this.#forget(token, each))
    return written.map(({ done }) => done)
  }

  async touch(key: string, freshMs: number | null): Promise<boolean> {
    return this.#restamp({ kind: 'touch', key, freshMs })
  }

  async expire(key: string): Promise<boolean> {
    return this.#restamp({ kind: 'expire', key })
  }

  /** Tags and prefixes: one append, whatever they cover. */
  async invalidate(targets: Targets): Promise<void> {
    const { store, gate, local } = this.#options
    try {
      const { world, version } = await this.#batches.inWorld(async (named) => ({
        world: named,
        version: await gate.pass('invalidate', () => store.invalidate(named, targets)),
      }))
      local.apply(toChange(targets, version))
      local.acknowledged(world, version)
    } catch (error) {
      if (isAmbiguous(error)) local.apply(toChange(targets, 'unknown'))
      throw error
    }
  }

  /** Lets what was written into the local cache, if it may. */
  acknowledge(token: Token, written: Written): void {
    const { world, version, done, operation } = written
    const { local } = this.#options
    // The caller of a load is given its value all the same, and must not be given an older one afterwards.
    const isWrite = operation.kind === 'write' || operation.kind === 'atomic'
    if (!done || !isWrite || operation.write === null) return this.#forget(token, written)
    const localTtlMs = operation.kind === 'write' ? operation.localTtlMs : this.#options.localTtlMs
    const entry = local.holds
      ? this.#toLocal(toStored(operation.write, version), token.sentAt, localTtlMs)
      : null
    local.settle(token, { world, entry, version })
    this.#taken(written)
  }

  #forget(token: Token, written: Written): void {
    this.#options.local.forget(token)
    this.#taken(written)
  }

  #taken({ world, version, operation, statement }: Written): void {
    const { local } = this.#options
    // Without a local cache nothing could be lost to old news.
    if (local.holds && statement.take(operation)) local.acknowledged(world, version)
  }

  // A codec that cannot decode what it encoded: the write has happened all the same, and whoever reads it hears of it.
  #toLocal(stored: StoredEntry, sentAt: number, localTtlMs: number): LocalEntry | null {
    if (localTtlMs === 0) return null
    try {
      return new LocalEntry(stored, sentAt, this.#options.mode, localTtlMs)
    } catch (error) {
      if (!isCacheError(error)) throw error
      return null
    }
  }

  /** A write of this key has failed, perhaps after it was committed. */
  failed(token: Token, error: unknown): void {
    if (isAmbiguous(error)) this.#options.local.forget(token)
    else this.#options.local.abandon(token)
  }

  drain(): Promise<void> {
    return this.#batcher.drain()
  }

  close(error: unknown): void {
    this.#batcher.close(error)
  }

  #write(token: Token, operation: Operation): Promise<boolean> {
    const flight = new WriteFlight(this, token)
    try {
      this.#batcher.submit(operation, flight)
    } catch (error) {
      flight.fail(error)
    }
    return flight.promise
  }

  async #runAtomic(operation: Operation): Promise<Written> {
    const tokens = [this.#options.local.open(operation.key)]
    const [written] = await this.#runMany(tokens, [operation], (token, each) => this.acknowledge(token, each))
    return written as Written
  }

  async #restamp(operation: Operation): Promise<boolean> {
    const { local } = this.#options
    const [written] = await this.#runMany([local.open(operation.key)], [operation], (token, each) =>
      this.#forget(token, each),
    )
    return written?.done === true
  }

  async #runMany(
    tokens: readonly Token[],
    operations: readonly Operation[],
    settle: (token: Token, written: Written) => void,
  ): Promise<Written[]> {
    const { local } = this.#options
    try {
      const written = await this.#batcher.addMany(operations)
      for (const [i, token] of tokens.entries()) settle(token, written[i] as Written)
      return written
    } catch (error) {
      // Some of them may have been sent and committed before another failed.
      for (const token of tokens) local.forget(token)
      throw error
    }
  }
}

/** One set or fill on its way; waits in the batcher itself, as a read does. */
class WriteFlight implements Waiter<Written> {
  readonly promise: Promise<boolean>
  readonly #writer: Writer
  readonly #token: Token
  #resolve!: (done: boolean) => void
  #reject!: (error: unknown) => void

  constructor(writer: Writer, token: Token) {
    this.#writer = writer
    this.#token = token
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  receive(written: Written): void {
    this.#writer.acknowledge(this.#token, written)
    this.#resolve(written.done)
  }

  fail(error: unknown): void {
    this.#writer.failed(this.#token, error)
    this.#reject(error)
  }
}

// Two sets that wait for the same batch: nobody could tell that the earlier one had been there.
function mergeSets(earlier: Operation, later: Operation): Operation | undefined {
  if (earlier.kind !== 'write' || later.kind !== 'write') return undefined
  return earlier.write.token === null && later.write.token === null ? later : undefined
}

function toWrite(
  key: string,
  value: EncodedValue,
  options: ResolvedSetOptions,
  token: LoadToken | null,
  localTtlMs: number,
): Operation {
  return { kind: 'write', key, size: value.size, write: toEntryWrite(key, value, options, token), localTtlMs }
}

function toChange({ tags = [], keyPrefixes = [], tagPrefixes = [] }: Targets, version: Version): Change {
  return { version, keys: [], tags, keyPrefixes, tagPrefixes }
}
