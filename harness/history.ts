// What was done and seen, operation by operation. Times are milliseconds of a clock that all processes of the machine share. Each process appends
// to files of its own, by shards of keys, so that the checker never holds more than one shard.

import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

interface Timed {
  /** Whose cache it went through. */
  readonly node: string
  readonly start: number
  readonly end: number
}

/** Values carry both: versions of a key are ordered, stamps tell apart two attempts at the same version. */
export interface Version {
  readonly version: number
  readonly stamp: string
}

export interface Read extends Timed {
  readonly op: 'read'
  readonly call: 'get' | 'getMany' | 'getOrSet'
  readonly key: string
  readonly fresh: boolean
  /** Where the answer came from; `loader`: this very call's. */
  readonly tier: 'local' | 'store' | 'loader'
  /**
   * Since when a read that the cache makes by itself, of what has changed, can have been under way when this `get` began, and have answered it.
   * Null: none can.
   */
  readonly refetchedFrom: number | null
  /** Null: a miss. */
  readonly found: Version | null
  /** The cache reported a failure meanwhile, so that a miss says nothing. */
  readonly doubtful: boolean
}

/** A plain set. Keys that are set this way have no source, and one node that sets them, in the order of their versions. */
export interface SetValue extends Timed, Version {
  readonly op: 'set'
  readonly key: string
  readonly tags: readonly string[]
  readonly ttlMs: number
  /** False: the call failed, and it may have happened or not. Whoever reads the value settles that. */
  readonly acknowledged: boolean
}

/** A key's source changed and it was invalidated or set, in one transaction; the times are those of its COMMIT. */
export interface Commit extends Timed, Version {
  readonly op: 'commit'
  readonly key: string
  /** `statement`: a watch noticed it, and the node's own cache was not involved. */
  readonly by: 'transaction' | 'statement'
  readonly acknowledged: boolean
}

export interface Rollback extends Timed, Version {
  readonly op: 'rollback'
  readonly key: string
}

/** delete, invalidate, invalidateTags, deleteByPrefix, clear outside of a transaction. */
export interface Removal extends Timed {
  readonly op: 'removal'
  /** 'k' and a key, 't' and a tag, or 'p' and a prefix of keys. */
  readonly targets: readonly string[]
  readonly acknowledged: boolean
}

/** A call inside a caller's transaction. */
export interface Step extends Timed {
  readonly op: 'step'
  readonly call: string
  readonly targets: readonly string[]
}

export interface Load extends Timed, Version {
  readonly op: 'load'
  readonly key: string
}

export interface Sync extends Timed {
  readonly op: 'sync'
}

/** A transactional get beside the source row in the same snapshot. */
export interface Comparison extends Timed {
  readonly op: 'comparison'
  readonly key: string
  readonly cached: Version
  readonly source: Version
}

/** All valid entries beside their source rows in one snapshot. */
export interface SnapshotCheck extends Timed {
  readonly op: 'snapshot'
  readonly compared: number
  readonly mismatches: readonly Mismatch[]
}

export interface Mismatch {
  readonly key: string
  readonly cached: unknown
  readonly source: unknown
  /** What the tables said in that snapshot. */
  readonly evidence: unknown
}

/** The cache reported a failure that it survived. */
export interface Trouble extends Timed {
  readonly op: 'trouble'
  readonly during: string
  readonly message: string
}

/** A call failed. */
export interface Failure extends Timed {
  readonly op: 'failure'
  readonly during: string
  readonly message: string
  /** Of the error; null: it has none. */
  readonly code: string | null
}

/** The server, or the way to it, was taken away; the times are from the beginning of that until it was there again. */
export interface Outage extends Timed {
  readonly op: 'outage'
  readonly what: 'killed' | 'restarted' | 'swallowed'
}

export type KeyedOperation = Read | SetValue | Commit | Rollback | Load | Comparison
export type OtherOperation = Removal | Step | Sync | SnapshotCheck | Trouble | Failure | Outage
export type Operation = KeyedOperation | OtherOperation

export const SHARDS = 16
const FLUSH_CHARS = 64 * 1024

/** The same in every process of the machine. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

export class HistoryWriter {
  readonly #files: readonly number[]
  readonly #buffers: string[]
  #count = 0

  constructor(directory: string, process: string) {
    mkdirSync(directory, { recursive: true })
    // The last one is for what belongs to no single key.
    const shards = Array.from({ length: SHARDS + 1 }, (_, shard) => shard)
    this.#files = shards.map((shard) => openSync(join(directory, `${process}.${shard}.jsonl`), 'a'))
    this.#buffers = shards.map(() => '')
  }

  /** Operations so far. */
  get count(): number {
    return this.#count
  }

  add(operation: Operation): void {
    this.#count++
    const shard = 'key' in operation ? shardOf(operation.key) : SHARDS
    const text = `${this.#buffers[shard]}${JSON.stringify(operation)}\n`
    this.#buffers[shard] = text
    if (text.length >= FLUSH_CHARS) this.#flush(shard)
  }

  close(): void {
    for (const [shard, file] of this.#files.entries()) {
      this.#flush(shard)
      closeSync(file)
    }
  }

  #flush(shard: number): void {
    writeSync(this.#files[shard] as number, this.#buffers[shard] as string)
    this.#buffers[shard] = ''
  }
}

export function readKeyed(directory: string, shard: number): KeyedOperation[] {
  return readFiles(directory, shard) as KeyedOperation[]
}

export function readOthers(directory: string): OtherOperation[] {
  return readFiles(directory, SHARDS) as OtherOperation[]
}

function readFiles(directory: string, shard: number): Operation[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(`.${shard}.jsonl`))
    .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Operation)
}

export function shardOf(key: string): number {
  let hash = 0
  for (let i = 0; i < key.length; i++) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) >>> 0
  return hash % SHARDS
}
