// How a namespace loads: loaders see its keys, and what is stored and does not fit its schema is loaded again.

import type { Cache } from './contract.ts'
import type { LoadContext, Loader, ManyLoader } from './loader.ts'
import type { GetOrSetOptions } from './options.ts'

/** A key of the namespace as the cache has it, and back; and what of a value fits the schema. */
export interface Inside {
  readonly in: (key: string) => string
  readonly out: (key: string) => string
  readonly fit: <T>(key: string, value: T | undefined) => T | undefined
}

export class NamespaceLoads {
  readonly #parent: Pick<Cache, 'getOrSet' | 'getOrSetMany'>
  readonly #inside: Inside

  constructor(parent: Pick<Cache, 'getOrSet' | 'getOrSetMany'>, inside: Inside) {
    this.#parent = parent
    this.#inside = inside
  }

  async getOrSet<T, Previous>(
    key: string,
    loader: Loader<T, Previous>,
    options: GetOrSetOptions,
  ): Promise<T> {
    const { in: enter, fit } = this.#inside
    const stored = enter(key)
    let isLoaded = false
    const outside = (context: LoadContext<Previous>): T | PromiseLike<T> => {
      isLoaded = true
      return loader({ ...context, key, previous: fit(key, context.previous) })
    }
    const value = await this.#parent.getOrSet<T, Previous>(stored, outside, options)
    // What a loader returns is of its own type.
    if (isLoaded || value === undefined) return value
    const fitting = fit(key, value)
    return fitting === undefined
      ? this.#parent.getOrSet<T, Previous>(stored, outside, force(options))
      : fitting
  }

  async getOrSetMany(
    keys: readonly string[],
    loader: ManyLoader,
    options: GetOrSetOptions,
  ): Promise<unknown[]> {
    const { in: enter, out, fit } = this.#inside
    const loadedHere = new Set<string>()
    const outside: ManyLoader<readonly unknown[]> = async (missing, context) => {
      const inner = missing.map(out)
      for (const key of inner) loadedHere.add(key)
      const previous = Array.from(
        context.previous,
        ([key, value]) => [out(key), fit(out(key), value)] as const,
      )
      const loaded = await loader(inner, {
        ...context,
        previous: new Map(previous.filter(([, value]) => value !== undefined)),
        set: (own, key) => context.set(own, key === undefined ? undefined : enter(key)),
        notModified: (key) => context.notModified(enter(key)),
      })
      return loaded instanceof Map ? inner.map((key) => loaded.get(key)) : (loaded as readonly unknown[])
    }
    const values: unknown[] = await this.#parent.getOrSetMany(keys.map(enter), outside, options)
    const byKey = new Map(keys.map((key, i) => [key, loadedHere.has(key) ? values[i] : fit(key, values[i])]))
    const unfit = keys.filter((key, i) => values[i] !== undefined && byKey.get(key) === undefined)
    if (unfit.length > 0) {
      const again = await this.#parent.getOrSetMany(unfit.map(enter), outside, force(options))
      for (const [i, key] of unfit.entries()) byKey.set(key, again[i])
    }
    return keys.map((key) => byKey.get(key))
  }
}

function force(options: GetOrSetOptions): GetOrSetOptions {
  return { ...options, force: true }
}
