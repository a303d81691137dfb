// getOrSet and getOrSetMany: the local cache first, then a load, and the one report of what came of it.

import type { Answers } from './answers.ts'
import { isDueEarly } from './core/early-refresh.ts'
import { assertKey, assertKeys } from './core/key.ts'
import type { Loader, ManyLoader } from './loader.ts'
import { refreshWindow } from './load-flight.ts'
import type { LoadResult } from './load-result.ts'
import type { LocalEntry } from './memory/local-entry.ts'
import { type GetOrSetOptions, mayHit, resolveLoadOptions, type ResolvedLoadOptions } from './options.ts'
import { type RunLoader, runMany, runOne } from './running-load.ts'
import type { Parts } from './wiring.ts'

interface Answer {
  readonly key: string
  readonly value: unknown
  /** For how many milliseconds it is still fresh. */
  readonly leftMs: number
}

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
    const entry = this.#hit(key, options)
    const held = entry && this.#answers.decode(entry)
    if (entry !== undefined && held !== undefined) {
      this.#parts.reporter.hit(key, 'local')
      if (this.#mayRefresh(options)) {
        const resolved = resolveLoadOptions(options, this.#parts.options)
        this.#refresh([{ key, value: held, leftMs: this.#leftOf(entry) }], runOne(loader, resolved), resolved)
      }
      return held
    }
    assertKey(key)
    const resolved = resolveLoadOptions(options, this.#parts.options)
    const load = (): Promise<unknown> => this.#loadOne(key, runOne(loader, resolved), resolved)
    return this.#parts.timing.runIfWanted('getOrSet', () => [key], load)
  }

  async getOrSetMany(
    keys: readonly string[],
    loader: ManyLoader,
    options: GetOrSetOptions | undefined,
  ): Promise<unknown[]> {
    assertKeys(keys)
    const resolved = resolveLoadOptions(options, this.#parts.options)
    const run = runMany(loader, resolved)
    const found = new Map<string, unknown>()
    const missing: string[] = []
    const answers: Answer[] = []
    for (const key of new Set(keys)) {
      const entry = this.#hit(key, options)
      const held = entry && this.#answers.decode(entry)
      if (entry === undefined || held === undefined) {
        missing.push(key)
        continue
      }
      this.#parts.reporter.hit(key, 'local')
      found.set(key, held)
      answers.push({ key, value: held, leftMs: this.#leftOf(entry) })
    }
    if (this.#mayRefresh(options)) this.#refresh(answers, run, resolved)
    if (missing.length > 0) {
      const load = (): Promise<unknown[]> => this.#loadMany(missing, run, resolved)
      const values = await this.#parts.timing.runIfWanted('getOrSet', () => missing, load)
      for (const [i, key] of missing.entries()) found.set(key, values[i])
    }
    return keys.map((key) => found.get(key))
  }

  #hit(key: string, options: GetOrSetOptions | undefined): LocalEntry | undefined {
    return mayHit(options) ? this.#parts.local.hit(key) : undefined
  }

  // The deadline of a local entry may be that of the local cache: then the next read of the store decides.
  #mayRefresh(options: GetOrSetOptions | undefined): boolean {
    const { refreshAhead, local } = this.#parts.options
    if ((options?.refreshAhead ?? refreshAhead) === 0 || options?.localTtl !== undefined) return false
    return local !== false && local.ttlMs === null
  }

  #leftOf({ freshUntil }: LocalEntry): number {
    return freshUntil - this.#parts.clock.wall()
  }

  /** Loads again, behind the answer, what is due. */
  #refresh(answers: readonly Answer[], run: RunLoader, options: ResolvedLoadOptions): void {
    const due = answers.filter(({ value, leftMs }) =>
      isDueEarly(leftMs, refreshWindow(options, value), Math.random()),
    )
    const keys = due.map(({ key }) => key)
    this.#parts.loads.refresh(keys, run, options)
  }

  async #loadOne(key: string, run: RunLoader, options: ResolvedLoadOptions): Promise<unknown> {
    options.signal?.throwIfAborted()
    const result = await this.#parts.loads.get(key, run, options)
    if (options.refreshAhead > 0) this.#refresh([answerOf(key, result)], run, options)
    return this.#report(key, result)
  }

  async #loadMany(keys: readonly string[], run: RunLoader, options: ResolvedLoadOptions): Promise<unknown[]> {
    options.signal?.throwIfAborted()
    const results = await this.#parts.loads.getMany(keys, run, options)
    if (options.refreshAhead > 0) {
      const answers = results.map((result, i) => answerOf(keys[i] as string, result))
      this.#refresh(answers, run, options)
    }
    return results.map((result, i) => this.#report(keys[i] as string, result))
  }

  #report(key: string, result: LoadResult): unknown {
    const { origin } = result
    if (origin === 'loader') this.#parts.reporter.missed(key)
    else this.#parts.reporter.hit(key, origin)
    return result.take()
  }
}

function answerOf(key: string, { value, freshMs = Infinity }: LoadResult): Answer {
  return { key, value, leftMs: freshMs }
}
