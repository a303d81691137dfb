// A function that remembers what it returned: getOrSet with the key made from the arguments.

import type { Cache } from './contract.ts'
import { invalid } from './core/check.ts'
import type { AsyncFunction, Wrapped, WrapOptions } from './loader.ts'

export function wrapFunction<F extends AsyncFunction>(
  cache: Pick<Cache, 'getOrSet' | 'invalidate'>,
  fn: F,
  { key, ...options }: WrapOptions<Parameters<F>>,
): Wrapped<F> {
  if (typeof fn !== 'function') throw invalid('fn', 'a function', fn)
  if (typeof key !== 'function') throw invalid('key', 'a function from the arguments to the key', key)
  // async, so that a key that cannot be made rejects like everything else.
  const call = async (...args: Parameters<F>): Promise<unknown> =>
    cache.getOrSet(key(...args), () => fn(...args), options)
  return Object.assign(call as F, {
    invalidate: async (...args: Parameters<F>) => cache.invalidate(key(...args)),
    refresh: (async (...args: Parameters<F>) =>
      cache.getOrSet(key(...args), () => fn(...args), { ...options, force: true })) as F,
  })
}
