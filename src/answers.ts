// How a call reaches the server, and how what was found becomes its answer: readiness, giving up, falling back, decoding, and the one
// report that each outcome makes.

import { abortable } from './abortable.ts'
import { decodeValue, encodeValue, type EncodedValue } from './codecs/values.ts'
import { Connection } from './connection.ts'
import { isCacheError } from './core/errors.ts'
import type { Entry, StoredEntry } from './core/entry.ts'
import { isFresh } from './core/entry.ts'
import type { HitTier } from './events.ts'
import type { LocalEntry } from './memory/local-entry.ts'
import type { CallOptions, GetOptions, ResolvedSetEntry, ResolvedSetOptions } from './options.ts'
import type { Parts } from './wiring.ts'

/** A found value, so that a stored null is told from a miss. */
export interface Found {
  readonly value: unknown
}

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
    const { connection } = this.#parts
    const sent = connection.isReady ? work() : connection.ready().then(work)
    return abortable(sent, options?.signal)
  }

  /** A read: what the server cannot answer is answered by the fallback. A wrong set-up is still shown to every caller. */
  async tolerate<T>(
    operation: string,
    options: CallOptions | undefined,
    work: () => Promise<T>,
    fallback: () => T,
  ): Promise<T> {
    const { connection, reporter } = this.#parts
    try {
      if (!connection.isReady) await abortable(connection.ready(), options?.signal)
    } catch (error) {
      if (!Connection.isPassing(error)) throw error
      reporter.report('error', { error, operation })
      return fallback()
    }
    try {
      return await abortable(work(), options?.signal)
    } catch (error) {
      if (!isCacheError(error) || error.code === 'closed') throw error
      reporter.report('error', { error, operation })
      return fallback()
    }
  }

  /** The value of an entry that was found, or the miss; what cannot be decoded here is a miss and an event. */
  answer(key: string, entry: LocalEntry | null | undefined, tier: HitTier): Found | undefined {
    const { reporter } = this.#parts
    const found = entry ? this.decode(entry) : undefined
    if (found === undefined) reporter.missed(key)
    else reporter.hit(key, tier)
    return found
  }

  /** While the store is gone: what the local cache last knew, if it was stored with a grace. */
  answerStale(key: string): Found | undefined {
    const entry = this.#parts.local.lastKnown(key)
    return this.answer(key, entry?.graced === true ? entry : undefined, 'stale')
  }

  /** From the store, or what may stand in for it. */
  findOne(key: string, options: GetOptions | undefined): Promise<Found | undefined> {
    const { reader } = this.#parts
    return this.tolerate(
      'get',
      options,
      async () => {
        const entry = await (options?.fresh === true ? reader.findFresh(key) : reader.find(key))
        return this.answer(key, entry, 'store')
      },
      () => this.answerStale(key),
    )
  }

  /** From the local cache where it may answer, and in one go from the store for the rest. */
  async find(
    keys: ReadonlySet<string>,
    options: GetOptions | undefined,
  ): Promise<Map<string, Found | undefined>> {
    const { local, reader } = this.#parts
    const found = new Map<string, Found | undefined>()
    const missing: string[] = []
    for (const key of keys) {
      const entry = options?.fresh === true ? undefined : local.hit(key)
      if (entry === undefined) missing.push(key)
      else found.set(key, this.answer(key, entry, 'local'))
    }
    if (missing.length === 0) return found
    const answers = await this.tolerate(
      'getMany',
      options,
      async () => {
        const read = await reader.findMany(missing)
        return missing.map((key, i) => this.answer(key, read[i], 'store'))
      },
      () => missing.map((key) => this.answerStale(key)),
    )
    for (const [i, key] of missing.entries()) found.set(key, answers[i])
    return found
  }

  encode({ key, value, ...options }: ResolvedSetEntry): EncodedEntry {
    const { codec, maxValueBytes } = this.#parts.options
    return { key, value: encodeValue(codec, value, { key, maxValueBytes }), options }
  }

  toEntry<T>(stored: StoredEntry): Entry<T> | undefined {
    const found = this.#attempt(() => decodeValue(this.#parts.options.codec, stored))
    if (found === undefined) return undefined
    const { key, version, tags, createdAt, freshMs, keepMs } = stored
    return {
      key,
      value: found.value as T,
      version,
      tags,
      createdAt: new Date(createdAt),
      expiresAt: keepMs === Infinity ? null : new Date(Date.now() + keepMs),
      ttl: freshMs === Infinity ? null : Math.max(0, freshMs),
      stale: !isFresh(stored),
    }
  }

  decode(entry: LocalEntry): Found | undefined {
    return this.#attempt(() => this.#parts.mode.fromLocal(entry))
  }

  #attempt(decode: () => unknown): Found | undefined {
    try {
      return { value: decode() }
    } catch (error) {
      if (!isCacheError(error)) throw error
      this.#parts.reporter.report('error', { error, operation: 'decode' })
      return undefined
    }
  }
}
