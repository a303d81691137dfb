// How a call reaches the server, and how what was found becomes its answer: readiness, giving up, falling back, decoding, and the one
// report that each outcome makes.

import { abortable } from './abortable.ts'
import { decodeStored, encodeValue, type EncodedValue } from './codecs/values.ts'
import { Connection } from './connection.ts'
import { isCacheError } from './core/errors.ts'
import type { Entry, ListedEntry, StoredEntry } from './core/entry.ts'
import { isFresh } from './core/entry.ts'
import { assertKey } from './core/key.ts'
import type { HitTier } from './events.ts'
import type { LocalEntry } from './memory/local-entry.ts'
import {
  type CallOptions,
  checkCallOptions,
  checkGetOptions,
  type GetOptions,
  type ResolvedSetOptions,
  resolveSetOptions,
  type SetOptions,
} from './options.ts'
import type { ResolvedSetEntry } from './set-entries.ts'
import type { Parts } from './wiring.ts'

export interface EncodedEntry {
  readonly key: string
  readonly value: EncodedValue
  readonly options: ResolvedSetOptions
}

export class Answers {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** An explicit call: rejects when the server cannot be reached. */
  send<T>(options: CallOptions | undefined, work: () => Promise<T>): Promise<T> {
    return this.sendUntil(checkCallOptions(options)?.signal, work)
  }

  /** As send, of what is in no batch: close() waits for it as well. */
  sendAll<T>(options: CallOptions | undefined, work: () => Promise<T>): Promise<T> {
    return this.send(options, () => this.#parts.background.during(work))
  }

  /** As send, where the options are checked already. */
  sendUntil<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    const { connection } = this.#parts
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error)
    const sent = connection.isReady ? work() : connection.ready().then(work)
    return abortable(sent, signal)
  }

  set(key: string, value: unknown, options: SetOptions | undefined): Promise<void> {
    return this.#parts.timing.wants('set')
      ? this.#timeSet(key, value, options)
      : this.#set(key, value, options)
  }

  async setMany(entries: readonly EncodedEntry[], options: SetOptions | undefined): Promise<void> {
    const { writer, reporter, timing } = this.#parts
    const keys = (): string[] => entries.map(({ key }) => key)
    await timing.runIfWanted('set', keys, () =>
      this.sendUntil(options?.signal, () => writer.setMany(entries)),
    )
    for (const { key } of entries) reporter.stored(key)
  }

  // Apart: a closure in set() would be paid for by each call of it.
  #timeSet(key: string, value: unknown, options: SetOptions | undefined): Promise<void> {
    return this.#parts.timing.run('set', [key], () => this.#set(key, value, options))
  }

  #set(key: string, value: unknown, options: SetOptions | undefined): Promise<void> {
    const { connection, writer, reporter, options: defaults } = this.#parts
    let written: Promise<boolean>
    try {
      assertKey(key)
      const resolved = resolveSetOptions(options, defaults)
      const encoded = this.encodeValue(key, value)
      options?.signal?.throwIfAborted()
      // The hot path: one promise besides the flight's.
      written = connection.isReady
        ? writer.set(key, encoded, resolved)
        : connection.ready().then(() => writer.set(key, encoded, resolved))
    } catch (error) {
      return Promise.reject(error)
    }
    return abortable(
      written.then(() => reporter.stored(key)),
      options?.signal,
    )
  }

  /**
   * A read: what the server cannot answer is answered by the fallback. A wrong set-up is still shown to every caller.
   */
  async tolerate<T>(
    operation: string,
    options: CallOptions | undefined,
    work: () => Promise<T>,
    fallback: () => T,
  ): Promise<T> {
    const { connection } = this.#parts
    try {
      if (!connection.isReady) await abortable(connection.ready(), options?.signal)
    } catch (error) {
      // Its reason may be a CacheError.
      options?.signal?.throwIfAborted()
      if (!Connection.isPassing(error)) throw error
      return this.#fallBack(error, operation, fallback)
    }
    try {
      return await abortable(work(), options?.signal)
    } catch (error) {
      options?.signal?.throwIfAborted()
      return this.#fallBack(error, operation, fallback)
    }
  }

  /** The value of an entry, or undefined for a miss; what cannot be decoded here is a miss and an event. */
  answer(key: string, entry: LocalEntry | null | undefined, tier: HitTier): unknown {
    const { reporter } = this.#parts
    // No codec may return undefined for a value: it is how a miss looks.
    const value = entry ? this.decode(entry) : undefined
    if (value === undefined) reporter.missed(key)
    else reporter.hit(key, tier)
    return value
  }

  /** Undefined for what cannot be decoded here. */
  decode(entry: LocalEntry): unknown {
    try {
      return this.#parts.mode.fromLocal(entry)
    } catch (error) {
      return this.#reportUndecodable(error)
    }
  }

  /** From the store, or what may stand in for it. */
  read(key: string, options: GetOptions | undefined): Promise<unknown> {
    try {
      assertKey(key)
      checkGetOptions(options)?.signal?.throwIfAborted()
    } catch (error) {
      return Promise.reject(error)
    }
    return this.#parts.timing.wants('get') ? this.#timeRead(key, options) : this.#read(key, options)
  }

  // Apart, as timeSet.
  #timeRead(key: string, options: GetOptions | undefined): Promise<unknown> {
    return this.#parts.timing.run('get', [key], () => this.#read(key, options))
  }

  #read(key: string, options: GetOptions | undefined): Promise<unknown> {
    const { connection, reader } = this.#parts
    if (options === undefined && connection.isReady) {
      // The hot path: one promise besides the flight's.
      return reader.find(key).then(
        (entry) => this.answer(key, entry, 'store'),
        (error: unknown) => this.#fallBack(error, 'get', () => this.#standIn(key, options)),
      )
    }
    const find = async (): Promise<unknown> => {
      const entry = await (options?.fresh === true ? reader.findFresh(key) : reader.find(key))
      return this.answer(key, entry, 'store')
    }
    return this.tolerate('get', options, find, () => this.#standIn(key, options))
  }

  /** From the local cache where it may answer, and in one go from the store for the rest. */
  async readMany(keys: ReadonlySet<string>, options: GetOptions | undefined): Promise<Map<string, unknown>> {
    const { local, reader, timing } = this.#parts
    checkGetOptions(options)?.signal?.throwIfAborted()
    const found = new Map<string, unknown>()
    const missing: string[] = []
    for (const key of keys) {
      const entry = options?.fresh === true ? undefined : local.hit(key)
      if (entry === undefined) missing.push(key)
      else found.set(key, this.answer(key, entry, 'local'))
    }
    if (missing.length === 0) return found
    const find = async (): Promise<unknown[]> => {
      const read = await reader.findMany(missing)
      return missing.map((key, i) => this.answer(key, read[i], 'store'))
    }
    const fallback = (): unknown[] => missing.map((key) => this.#standIn(key, options))
    const values = await timing.runIfWanted(
      'get',
      () => missing,
      () => this.tolerate('getMany', options, find, fallback),
    )
    for (const [i, key] of missing.entries()) found.set(key, values[i])
    return found
  }

  /** Always from the store. */
  async readEntry<T>(key: string, options: CallOptions | undefined): Promise<Entry<T> | undefined> {
    const { scan } = this.#parts
    checkCallOptions(options)
    const find = (): Promise<ListedEntry | null> => scan.find(key)
    const stored = await this.tolerate('getEntry', options, find, () => null)
    return stored === null ? undefined : this.toEntry<T>(stored)
  }

  encode({ key, value, ...options }: ResolvedSetEntry): EncodedEntry {
    return { key, value: this.encodeValue(key, value), options }
  }

  encodeValue(key: string, value: unknown): EncodedValue {
    return encodeValue(this.#parts.options, key, value)
  }

  toEntry<T>(stored: ListedEntry): Entry<T> | undefined {
    const value = this.decodeStored(stored)
    if (value === undefined) return undefined
    const { key, version, tags, createdAt, freshMs, keepMs } = stored
    return {
      key,
      value: value as T,
      version,
      tags,
      createdAt: new Date(createdAt),
      expiresAt: keepMs === Infinity ? null : new Date(Date.now() + keepMs),
      ttl: freshMs === Infinity ? null : Math.max(0, freshMs),
      stale: !isFresh(stored),
    }
  }

  #fallBack<T>(error: unknown, operation: string, fallback: () => T): T {
    if (!isCacheError(error) || error.code === 'closed') throw error
    this.#parts.reporter.report('error', { error, operation })
    return fallback()
  }

  /** While the store is gone: what the local cache last knew, if it was stored with a grace and the call may have it. */
  #standIn(key: string, options: GetOptions | undefined): unknown {
    const entry = options?.fresh === true ? undefined : this.#parts.local.lastKnown(key)
    return this.answer(key, entry?.graced === true ? entry : undefined, 'stale')
  }

  /** Undefined for what cannot be decoded here. */
  decodeStored(stored: Pick<StoredEntry, 'key' | 'text' | 'bytes' | 'codec'>): unknown {
    try {
      return decodeStored(this.#parts.options, stored)
    } catch (error) {
      return this.#reportUndecodable(error)
    }
  }

  #reportUndecodable(error: unknown): undefined {
    if (!isCacheError(error)) throw error
    this.#parts.reporter.report('error', { error, operation: 'decode' })
    return undefined
  }
}
