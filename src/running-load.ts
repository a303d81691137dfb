// One run of a loader: what it is handed, what it decides about storing, and its deadline.

import type { LoadContext, Loader } from './contract.ts'
import { CacheError } from './core/errors.ts'
import {
  type EntryOptions,
  type ResolvedLoadOptions,
  type ResolvedSetOptions,
  resolveSetOptions,
} from './options.ts'

export interface DeadlineOptions {
  readonly key: string
  readonly loader: Loader<unknown, unknown>
  readonly loadTimeoutMs: number
  readonly controller: AbortController
}

/** What a loader is handed, and what it has decided. */
export class RunningLoad implements LoadContext {
  readonly key: string
  readonly signal: AbortSignal
  readonly previous: unknown
  readonly #options: ResolvedLoadOptions
  #own: EntryOptions = {}
  #skipped: { readonly value: unknown } | undefined

  constructor(key: string, signal: AbortSignal, previous: unknown, options: ResolvedLoadOptions) {
    this.key = key
    this.signal = signal
    this.previous = previous
    this.#options = options
  }

  readonly set = (options: EntryOptions): void => {
    // Wrong options throw here, in the loader that named them.
    resolveSetOptions(options, this.#options)
    this.#own = { ...this.#own, ...options }
  }

  readonly skip = <V>(value: V): V => {
    this.#skipped = { value }
    return value
  }

  skips(value: unknown): boolean {
    return this.#skipped !== undefined && Object.is(this.#skipped.value, value)
  }

  resolve(): ResolvedSetOptions {
    const own = resolveSetOptions(this.#own, this.#options)
    return {
      ttlMs: own.ttlMs,
      graceMs: this.#own.grace === undefined ? this.#options.graceMs : own.graceMs,
      tags: this.#own.tags === undefined ? this.#options.tags : own.tags,
    }
  }
}

/** Runs the loader until it settles, its deadline passes, or the last caller has given up. What comes later is dropped. */
export async function runUnderDeadline(
  { key, loader, loadTimeoutMs, controller }: DeadlineOptions,
  context: RunningLoad,
): Promise<unknown> {
  const { signal } = controller
  let stop = (): void => {}
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error)
    signal.addEventListener('abort', stop, { once: true })
  })
  const timer = setTimeout(() => {
    const message = `the loader of key ${JSON.stringify(key)} did not settle within ${loadTimeoutMs} ms: make it faster, or raise \`loadTimeout\``
    controller.abort(new CacheError('load-timeout', message, { key, option: 'loadTimeout' }))
  }, loadTimeoutMs)
  try {
    signal.throwIfAborted()
    return await Promise.race([loader(context), stopped])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
  }
}
