// One run of a loader: what it is handed, what it decides about storing, and its deadline.

import { onAbort } from './abortable.ts'
import { invalid } from './core/check.ts'
import { CacheError } from './core/errors.ts'
import type { LoadContext, Loader, ManyLoadContext, ManyLoader } from './loader.ts'
import {
  type EntryOptions,
  loadedTtl,
  type ResolvedLoadOptions,
  type ResolvedSetOptions,
  resolveSetOptions,
} from './options.ts'

/** A key to be loaded. */
export interface Missing {
  readonly key: string
  /** The value that is about to be replaced; undefined: none. */
  readonly previous: unknown
  /** Its tags. */
  readonly tags: readonly string[]
}

export interface Loaded {
  readonly value: unknown
  /** Whether it is the previous value, to be stored as it is. */
  readonly isUnmodified: boolean
  /** What to store it with; null: not at all. */
  readonly keep: ResolvedSetOptions | null
}

/** Calls the loader once for all of these keys. What is loaded comes in their order. */
export type RunLoader = (missing: readonly Missing[], signal: AbortSignal) => Promise<Loaded[]>

export function runOne(loader: Loader<unknown, unknown>, options: ResolvedLoadOptions): RunLoader {
  checkLoader(loader)
  return async ([missing], signal) => {
    const context = new RunningLoad(missing as Missing, signal, options)
    return [context.decide(await loader(context))]
  }
}

export function runMany(loader: ManyLoader, options: ResolvedLoadOptions): RunLoader {
  checkLoader(loader)
  return async (missing, signal) => {
    const { context, loads } = openMany(missing, signal, options)
    const keys = missing.map(({ key }) => key)
    const values = toValues(keys, await loader(keys, context))
    return loads.map((load, i) => load.decide(values[i]))
  }
}

export function checkLoader(loader: unknown): void {
  if (typeof loader !== 'function') throw invalid('loader', 'a function, before the options', loader)
}

/** What a loader is handed, and what it has decided. */
class RunningLoad implements LoadContext {
  readonly key: string
  readonly signal: AbortSignal
  readonly previous: unknown
  readonly #previousTags: readonly string[]
  readonly #options: ResolvedLoadOptions
  #own: EntryOptions = {}
  #isUnmodified = false
  readonly #skipped: Set<unknown>

  constructor(
    { key, previous, tags }: Missing,
    signal: AbortSignal,
    options: ResolvedLoadOptions,
    skipped: Set<unknown> = new Set(),
  ) {
    this.key = key
    this.signal = signal
    this.previous = previous
    this.#previousTags = tags
    this.#options = options
    this.#skipped = skipped
  }

  readonly set = (options: EntryOptions): void => {
    // Wrong options throw here, in the loader that named them.
    resolveSetOptions(options, this.#options)
    this.#own = { ...this.#own, ...options }
  }

  readonly skip = <V>(value: V): V => {
    this.#skipped.add(value)
    return value
  }

  readonly notModified = (): unknown => {
    if (this.previous === undefined) {
      const message = `key ${JSON.stringify(this.key)} has no previous value that could be unmodified: look at \`previous\` first`
      throw new CacheError('invalid-value', message, { key: this.key })
    }
    this.#isUnmodified = true
    return this.previous
  }

  /** `undefined` is how a miss looks, and never stored. */
  decide(value: unknown): Loaded {
    const isUnmodified = this.#isUnmodified && Object.is(value, this.previous)
    const isKept = value !== undefined && !this.#skipped.has(value)
    return { value, isUnmodified, keep: isKept ? this.#resolve(value, isUnmodified) : null }
  }

  #resolve(value: unknown, isUnmodified: boolean): ResolvedSetOptions {
    const { graceMs, tags, jitter } = this.#options
    const own = resolveSetOptions(this.#own, { ttlMs: loadedTtl(this.#options, value), graceMs })
    const jittered = own.ttlMs === null ? null : Math.ceil(own.ttlMs * (1 - jitter * Math.random()))
    // The tags of what is not modified may have come from its data.
    const otherwise = isUnmodified && tags.length === 0 ? this.#previousTags : tags
    return { ...own, ttlMs: jittered, tags: this.#own.tags === undefined ? otherwise : own.tags }
  }
}

function openMany(
  missing: readonly Missing[],
  signal: AbortSignal,
  options: ResolvedLoadOptions,
): { context: ManyLoadContext; loads: RunningLoad[] } {
  const skipped = new Set<unknown>()
  const loads = missing.map((each) => new RunningLoad(each, signal, options, skipped))
  const byKey = new Map(loads.map((load) => [load.key, load]))
  const find = (key: string): RunningLoad => {
    const load = byKey.get(key)
    if (load === undefined) throw invalid('key', 'one of the missing keys', key)
    return load
  }
  const context: ManyLoadContext = {
    signal,
    previous: new Map(
      missing.filter(({ previous }) => previous !== undefined).map(({ key, previous }) => [key, previous]),
    ),
    set: (own, key) => {
      for (const load of key === undefined ? loads : [find(key)]) load.set(own)
    },
    notModified: (key) => find(key).notModified(),
    skip: (value) => {
      skipped.add(value)
      return value
    },
  }
  return { context, loads }
}

function toValues(keys: readonly string[], loaded: unknown): readonly unknown[] {
  if (loaded instanceof Map) return keys.map((key) => loaded.get(key) as unknown)
  if (Array.isArray(loaded) && loaded.length === keys.length) return loaded
  const got = Array.isArray(loaded) ? `an array of ${loaded.length}` : typeof loaded
  throw new CacheError(
    'invalid-value',
    `Expected the loader to return a Map, or an array of ${keys.length} values in the order of the missing keys, got ${got}`,
  )
}

export interface DeadlineOptions {
  readonly keys: readonly string[]
  readonly loadTimeoutMs: number
  /** Whether a process waits for it before it ends. */
  readonly keepsAlive: boolean
  /** Aborted when the last caller has given up. */
  readonly signal: AbortSignal
}

/** Runs the loader until it settles, its deadline passes, or the last caller has given up. What comes later is dropped. */
export async function runUnderDeadline<T>(
  { keys, loadTimeoutMs, keepsAlive, signal: givenUp }: DeadlineOptions,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  givenUp.throwIfAborted()
  const controller = new AbortController()
  const { signal } = controller
  const stopped = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
  const ignore = onAbort(givenUp, () => controller.abort(givenUp.reason))
  const timer = setTimeout(() => controller.abort(loadTimeout(keys, loadTimeoutMs)), loadTimeoutMs)
  if (!keepsAlive) timer.unref()
  try {
    return await Promise.race([run(signal), stopped])
  } finally {
    clearTimeout(timer)
    ignore()
  }
}

function loadTimeout(keys: readonly string[], ms: number): CacheError {
  const [key] = keys.length === 1 ? keys : []
  const what = key === undefined ? `${keys.length} keys` : `key ${JSON.stringify(key)}`
  const message = `the loader of ${what} did not settle within ${ms} ms: make it faster, or raise \`loadTimeout\`: the call's, up to that of the cache, or the cache's`
  return new CacheError('load-timeout', message, { key, option: 'loadTimeout' })
}
