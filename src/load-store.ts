// What a load finds in the store and leaves there, and what may be served in the place of a value that cannot be had.

import { assertSize, encodeOfAnySize, type EncodedValue, type ValueOptions } from './codecs/values.ts'
import type { Clock } from './core/clock.ts'
import type { StoredEntry } from './core/entry.ts'
import { isCacheError } from './core/errors.ts'
import type { Reporter } from './events.ts'
import type { Load } from './load-flight.ts'
import { LoadResult } from './load-result.ts'
import type { LocalView } from './memory/coherence.ts'
import type { Token } from './memory/tokens.ts'
import type { ValueMode } from './memory/value-modes.ts'
import type { World } from './postgres/store.ts'
import type { Reader, StoredRead } from './read.ts'
import type { ResolvedLoadOptions } from './options.ts'
import type { Loaded, Missing } from './running-load.ts'
import type { Writer } from './write.ts'

/** Nothing fresh was there: what the value will be stored under, and what it will replace. */
export interface Miss {
  readonly key: string
  readonly token: Token
  readonly world: World
  /** Null: nothing can be cached. */
  readonly snapshot: string | null
  readonly present: StoredEntry | null
}

interface Decoded {
  readonly value: unknown
}

interface Filled {
  readonly stored: boolean
  readonly result: LoadResult
}

type Encoded = Pick<StoredEntry, 'key' | 'text' | 'bytes' | 'codec'>

export interface LoadStoreOptions {
  readonly reader: Reader
  readonly writer: Writer
  readonly local: LocalView
  readonly reporter: Reporter
  readonly clock: Clock
  readonly values: ValueOptions
  readonly mode: ValueMode
  readonly localTtlMs: number
}

export class LoadStore {
  readonly #options: LoadStoreOptions

  constructor(options: LoadStoreOptions) {
    this.#options = options
  }

  /** What was read, let into the local cache; null, and the token stays open, where it cannot be decoded or is not enough. */
  settle(token: Token, read: StoredRead & { readonly entry: StoredEntry }, load: Load): LoadResult | null {
    const found = this.#decode(read.entry)
    if (found === null || !load.isSatisfiedBy(read.entry, found.value)) return null
    this.#options.reader.settle(token, read, this.#localTtl(load.options))
    return new LoadResult(found.value, 'store', this.#copying(found, read.entry), read.entry.freshMs)
  }

  /** For when the loader is done. */
  prepareFills(world: string): Promise<void> {
    return this.#options.writer.prepareFills(world)
  }

  /**
   * Callers get what a later hit will give them, and not what the loader returned: a Date that is a string from the second call on would be found in
   * production. A miss of null: there is nothing to store under.
   */
  async fill(key: string, miss: Miss | null, loaded: Loaded, options: ResolvedLoadOptions): Promise<Filled> {
    const { writer, local, reporter } = this.#options
    const { keep } = loaded
    let result = new LoadResult(loaded.value, 'loader', null)
    const leave = (): Filled => {
      if (miss !== null) local.forget(miss.token)
      return { stored: false, result }
    }
    if (keep === null) return leave()
    try {
      const encoded = this.#encode(key, miss?.present ?? null, loaded)
      const found = this.#decode({ ...encoded, key }) ?? loaded
      result = new LoadResult(found.value, 'loader', this.#copying(found, { ...encoded, key }))
      assertSize(this.#options.values, key, encoded)
      if (miss === null || miss.world === null || miss.snapshot === null) return leave()
      const { token, world, snapshot } = miss
      const stored = await writer.fill(token, { world, snapshot }, encoded, keep, this.#localTtl(options))
      return { stored, result }
    } catch (error) {
      const left = leave()
      if (!isCacheError(error)) throw error
      // A value of the wrong type is a mistake in the code; one that is too large comes from the data.
      if (error.code === 'invalid-value') throw error
      reporter.report('error', { error, operation: 'fill' })
      return left
    }
  }

  /** What is stale and still within its grace. */
  stale({ token, present }: Miss): LoadResult | null {
    if (present === null || this.#options.clock.wall() >= token.sentAt + present.keepMs) return null
    const found = this.#decode(present)
    return found && new LoadResult(found.value, 'stale', this.#copying(found, present))
  }

  /** While the store does not answer: what the local cache last knew, if it was stored with a grace. */
  lastKnown(key: string): LoadResult | null {
    const { local, mode } = this.#options
    const entry = local.lastKnown(key)
    if (entry?.graced !== true) return null
    const decode = (): Decoded | null => this.#attempt(() => mode.fromLocal(entry))
    const found = decode()
    return found && new LoadResult(found.value, 'stale', () => (decode() ?? found).value)
  }

  /** What the loader is told. */
  missing(key: string, miss: Miss | null): Missing {
    const present = miss?.present ?? null
    const previous = present === null ? undefined : this.#decodeOwn(present)?.value
    return { key, previous, tags: present?.tags ?? [] }
  }

  // What was not modified is stored as it is, and fenced like anything that is loaded.
  #encode(key: string, present: StoredEntry | null, { value, isUnmodified }: Loaded): EncodedValue {
    if (!isUnmodified || present === null) return encodeOfAnySize(this.#options.values, key, value)
    const { text, bytes } = present
    return {
      text,
      bytes,
      codec: present.codec,
      size: text === null ? (bytes?.byteLength ?? 0) : Buffer.byteLength(text),
    }
  }

  #localTtl({ localTtlMs }: ResolvedLoadOptions): number {
    return Math.min(localTtlMs, this.#options.localTtlMs)
  }

  /** What is shared is shared in the form in which it is held. */
  #decode({ key, text, bytes, codec }: Encoded): Decoded | null {
    const { mode } = this.#options
    if (!mode.isShared) return this.#decodeOwn({ key, text, bytes, codec })
    return this.#attempt(() => mode.fromLocal({ key, codec, ...mode.toLocal({ key, text, bytes, codec }) }))
  }

  /** The taker's own, to change as it likes, where values are shared and frozen, too. */
  #decodeOwn({ key, text, bytes, codec }: Encoded): Decoded | null {
    const { mode } = this.#options
    return this.#attempt(() => mode.fromLocal({ key, codec, held: text ?? bytes ?? '', encoded: true }))
  }

  /** For callers that share a load; null where they share the value, too. */
  #copying(found: Decoded, encoded: Encoded): (() => unknown) | null {
    return this.#options.mode.isShared ? null : () => (this.#decode(encoded) ?? found).value
  }

  /** What cannot be decoded here is a miss and an event. */
  #attempt(decode: () => unknown): Decoded | null {
    try {
      return { value: decode() }
    } catch (error) {
      if (!isCacheError(error)) throw error
      this.#options.reporter.report('error', { error, operation: 'decode' })
      return null
    }
  }
}
