// A load whose value nobody keeps: what NullCache does for those who would have waited for one of the real cache.

import { abortable } from './abortable.ts'
import { asStored } from './codecs/values.ts'
import type { Reporter } from './events.ts'
import { waitTimeout } from './load-wait.ts'
import type { ResolvedLoadOptions, ResolvedOptions } from './options.ts'
import { type RunLoader, runUnderDeadline } from './running-load.ts'

/** Callers leave as they would leave the real cache: by their signal, or after `timeout`. The load goes on. */
export async function loadUnkept(
  keys: readonly [string, ...string[]],
  run: RunLoader,
  load: ResolvedLoadOptions,
  options: ResolvedOptions,
  reporter: Reporter,
): Promise<unknown[]> {
  const { signal, timeoutMs } = load
  const loaded = abortable(runUnkept(keys, run, load, options, reporter), signal)
  if (timeoutMs === null) return loaded
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(waitTimeout(keys[0], timeoutMs)), timeoutMs)
  try {
    return await abortable(loaded, late.signal)
  } finally {
    clearTimeout(timer)
  }
}

async function runUnkept(
  keys: readonly string[],
  run: RunLoader,
  { signal = new AbortController().signal, loadTimeoutMs }: ResolvedLoadOptions,
  options: ResolvedOptions,
  reporter: Reporter,
): Promise<unknown[]> {
  const startedAt = performance.now()
  try {
    const missing = keys.map((key) => ({ key, previous: undefined, tags: [] }))
    const loaded = await runUnderDeadline({ keys, signal, loadTimeoutMs, keepsAlive: true }, (ended) =>
      run(missing, ended),
    )
    const ms = performance.now() - startedAt
    const values = loaded.map(({ value, keep }, i) =>
      keep === null ? value : asStored(options, keys[i] as string, value),
    )
    for (const key of keys) reporter.report('loaded', { key, ms, stored: false })
    return values
  } catch (error) {
    for (const key of keys) reporter.report('load-failed', { key, error })
    throw error
  }
}
