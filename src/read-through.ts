// getOrSet and getOrSetMany: the local cache first, then a load, and the one report of what came of it.

import type { Answers } from './answers.ts'
import { assertKey } from './core/key.ts'
import type { Loader, ManyLoader } from './loader.ts'
import type { LoadResult } from './load-flight.ts'
import { type GetOrSetOptions, resolveLoadOptions, type ResolvedLoadOptions } from './options.ts'
import { type RunLoader, runMany, runOne } from './running-load.ts'
import type { Parts } from './wiring.ts'

export class ReadThrough {
  readonly #parts: Parts
  readonly #answers: Answers

  constructor(parts: Parts, answers: Answers) {
    this.#parts = parts
    this.#answers = answers
  }

  async getOrSet(
    key: string,
    loader: Loader<unknown, unknown>,
    options: GetOrSetOptions | undefined,
  ): Promise<unknown> {
    const held = this.#hit(key, options)
    if (held !== undefined) return held
    assertKey(key)
    const resolved = resolveLoadOptions(options, this.#parts.options)
    const [value] = await this.#load([key], runOne(loader, resolved), resolved)
    return value
  }

  async getOrSetMany(
    keys: readonly string[],
    loader: ManyLoader,
    options: GetOrSetOptions | undefined,
  ): Promise<unknown[]> {
    for (const key of keys) assertKey(key)
    const resolved = resolveLoadOptions(options, this.#parts.options)
    const found = new Map<string, unknown>()
    const missing: string[] = []
    for (const key of new Set(keys)) {
      const held = this.#hit(key, options)
      if (held === undefined) missing.push(key)
      else found.set(key, held)
    }
    if (missing.length > 0) {
      const values = await this.#load(missing, runMany(loader, resolved), resolved)
      for (const [i, key] of missing.entries()) found.set(key, values[i])
    }
    return keys.map((key) => found.get(key))
  }

  #hit(key: string, options: GetOrSetOptions | undefined): unknown {
    if (options?.fresh === true || options?.force === true || options?.local === false) return undefined
    const entry = this.#parts.local.hit(key)
    const held = entry === undefined ? undefined : this.#answers.decode(entry)
    if (held !== undefined) this.#parts.reporter.hit(key, 'local')
    return held
  }

  async #load(keys: readonly string[], run: RunLoader, options: ResolvedLoadOptions): Promise<unknown[]> {
    // Without a server the load goes on without the store.
    await this.#answers.tolerate(
      'connect',
      options,
      async () => {},
      () => {},
    )
    const results = await this.#parts.loads.get(keys, run, options)
    return results.map((result, i) => this.#report(keys[i] as string, result))
  }

  #report(key: string, { value, origin }: LoadResult): unknown {
    if (origin === 'loader') this.#parts.reporter.missed(key)
    else this.#parts.reporter.hit(key, origin)
    return value
  }
}
