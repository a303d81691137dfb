// How a namespace loads: loaders see its keys, and what is stored and does not fit its schema is loaded again.

import type { Cache } from './contract.ts'
import type { LoadContext, Loader, ManyLoader } from './loader.ts'
import type { NamespaceKeys } from './namespace-keys.ts'
import type { GetOrSetOptions } from './options.ts'
import { checkLoader } from './running-load.ts'

/** What of a value fits the schema of the namespace. */
type Fit = <T>(key: string, value: T | undefined) => T | undefined

export class NamespaceLoads {
  readonly #parent: Pick<Cache, 'getOrSet' | 'getOrSetMany'>
  readonly #keys: NamespaceKeys
  readonly #fit: Fit

  constructor(parent: Pick<Cache, 'getOrSet' | 'getOrSetMany'>, keys: NamespaceKeys, fit: Fit) {
    this.#parent = parent
    this.#keys = keys
    this.#fit = fit
  }

  async getOrSet<T, Previous>(
    key: string,
    loader: Loader<T, Previous>,
    options: GetOrSetOptions,
  ): Promise<T> {
    const fit = this.#fit
    const stored = this.#keys.in(key)
    checkLoader(loader)
    const skipped = new Set<unknown>()
    // Not before the loader has returned: where it fails, what is stale is of whoever stored it.
    let loaded: { readonly value: T } | undefined
    const outside = async (context: LoadContext<Previous>): Promise<T> => {
      const skip = noting(skipped, context.skip)
      loaded = { value: await loader({ ...context, key, skip, previous: fit(key, context.previous) }) }
      return loaded.value
    }
    let value: T | undefined
    /** False: something is there that does not fit, and it was not loaded here. */
    const isAnsweredBy = async (how: GetOrSetOptions): Promise<boolean> => {
      const found = await this.#parent.getOrSet<T, Previous>(stored, outside, how)
      value = loaded === undefined ? fit(key, found) : this.#fitLoaded(key, found, loaded.value, skipped)
      return loaded !== undefined || found === undefined || value !== undefined
    }
    // What the local cache holds may have been replaced already by another process, for all.
    const isAnswered = (await isAnsweredBy(options)) || (await isAnsweredBy({ ...options, fresh: true }))
    if (!isAnswered) await isAnsweredBy({ ...options, force: true })
    return value as T
  }

  async getOrSetMany(
    keys: readonly string[],
    loader: ManyLoader,
    options: GetOrSetOptions,
  ): Promise<unknown[]> {
    const fit = this.#fit
    const enter = (key: string): string => this.#keys.in(key)
    const out = (key: string): string => this.#keys.out(key)
    checkLoader(loader)
    const loadedHere = new Map<string, unknown>()
    const skipped = new Set<unknown>()
    const outside: ManyLoader<readonly unknown[]> = async (missing, context) => {
      const inner = missing.map(out)
      const previous = Array.from(
        context.previous,
        ([key, value]) => [out(key), fit(out(key), value)] as const,
      )
      const loaded = await loader(inner, {
        ...context,
        previous: new Map(previous.filter(([, value]) => value !== undefined)),
        set: (own, key) => context.set(own, key === undefined ? undefined : enter(key)),
        notModified: (key) => context.notModified(enter(key)),
        skip: noting(skipped, context.skip),
      })
      const values = loaded instanceof Map ? inner.map((key) => loaded.get(key)) : loaded
      if (Array.isArray(values)) for (const [i, key] of inner.entries()) loadedHere.set(key, values[i])
      return values as readonly unknown[]
    }
    const byKey = new Map<string, unknown>()
    /** Returns the keys of which something is there that does not fit. */
    const ask = async (asked: readonly string[], how: GetOrSetOptions): Promise<string[]> => {
      const values: unknown[] = await this.#parent.getOrSetMany(this.#keys.allIn(asked), outside, how)
      return asked.filter((key, i) => {
        const isLoaded = loadedHere.has(key)
        const own = loadedHere.get(key)
        byKey.set(key, isLoaded ? this.#fitLoaded(key, values[i], own, skipped) : fit(key, values[i]))
        return values[i] !== undefined && byKey.get(key) === undefined
      })
    }
    let unfit = await ask(keys, options)
    if (unfit.length > 0) unfit = await ask(unfit, { ...options, fresh: true })
    if (unfit.length > 0) await ask(unfit, { ...options, force: true })
    return keys.map((key) => byKey.get(key))
  }

  /** What was loaded here comes back as a hit would give it. What is skipped comes back as it is, and is of its own type. */
  #fitLoaded<T>(key: string, found: T, loaded: T, skipped: ReadonlySet<unknown>): T {
    return skipped.has(loaded) ? found : (this.#fit(key, found) ?? loaded)
  }
}

function noting(skipped: Set<unknown>, skip: LoadContext['skip']): LoadContext['skip'] {
  return (value) => {
    skipped.add(value)
    return skip(value)
  }
}
