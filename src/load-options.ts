// How values are loaded: options of the cache, of a namespace and of each call that loads, documented once.

import { checkOneOf, invalid } from './core/check.ts'
import { type Duration, parseDuration, parseTimeout, parseTtl } from './core/duration.ts'

/** Options of the cache, of a namespace, and of calls that load. What a call leaves out its namespace decides, then the cache. */
export interface LoadOptions {
  /**
   * What becomes of a stale value within its grace: with `'background'` it is served at once, and one load in the whole
   * cluster replaces it; with `'blocking'` the call waits for the load, and serves it where that fails. Needs a
   * `grace`, of the call, its namespace or the cache; a namespace without one refuses it.
   * @default 'blocking'
   */
  readonly revalidate?: 'blocking' | 'background' | undefined
  /**
   * How long a call waits before it serves a stale value within its grace; the load goes on. Where the store has not
   * answered by then, the local cache may have one. null: until the load has ended. Needs a `grace`, of the call, its
   * namespace or the cache; a namespace without one refuses it.
   * @default null
   */
  readonly softTimeout?: Duration | null | undefined
  /**
   * How long a call waits at all, connecting included: then it serves a stale value within its grace, as with
   * `softTimeout`, or rejects with `wait-timeout`. The load goes on for others. null: until the load has ended.
   * @default null
   */
  readonly timeout?: Duration | null | undefined
  /**
   * For how long after a failed load stale values within their grace are served without another try in this process.
   * Doubles with each failure in a row, to at most 32 times `backoff`.
   * @default '1s'
   */
  readonly backoff?: Duration | undefined
  /**
   * For how long the error of a failed load is given to further callers in this process, without another try, where
   * nothing stale can be served. Ends early with a load by `force` that succeeds. null: not at all.
   * @default null
   */
  readonly errorTtl?: Duration | null | undefined
  /**
   * The ttl of `null` where the loader names none: how long "there is no such thing" is believed. null: for ever.
   * @default the ttl of other values
   */
  readonly nullTtl?: Duration | null | undefined
  /**
   * From 0 to below 1: in this last part of its ttl a value may be loaded again behind an answer, the likelier the nearer
   * the end, once in the cluster. 0.2 of 5 minutes is the last minute. Counts from the ttl of the call, of `null` from
   * `nullTtl`. A ttl that a loader sets is not known to later calls: where it is shorter than this part of theirs, nearly
   * every answer loads again. 0: not at all.
   * @unit part of the ttl
   * @default 0
   */
  readonly refreshAhead?: number | undefined
  /**
   * From 0 to below 1: the ttl of each loaded value is shortened by a random part of up to this, so that what was loaded
   * together does not expire together.
   * @unit part of the ttl
   * @default 0.03
   */
  readonly jitter?: number | undefined
}

/**
 * In options that a namespace has completed: those that the call gave. What it did not name itself contradicts nothing.
 * A symbol, because spreads keep it and no check of names sees it.
 */
export const NAMED: unique symbol = Symbol('named')

export interface ResolvedLoadDefaults {
  readonly revalidate: 'blocking' | 'background'
  /** Null: none. */
  readonly softTimeoutMs: number | null
  /** Null: none. */
  readonly timeoutMs: number | null
  readonly backoffMs: number
  /** 0: none. */
  readonly errorTtlMs: number
  /** Null: no expiry; undefined: the ttl of other values. */
  readonly nullTtlMs: number | null | undefined
  readonly refreshAhead: number
  readonly jitter: number
}

export const LOAD_DEFAULTS: Readonly<Record<keyof LoadOptions, unknown>> = {
  revalidate: 'blocking',
  softTimeout: null,
  timeout: null,
  backoff: '1s',
  errorTtl: null,
  nullTtl: undefined,
  refreshAhead: 0,
  jitter: 0.03,
}

/** Nothing given means the default. */
export function resolveLoading(
  given: Readonly<Partial<Record<keyof LoadOptions, unknown>>>,
  defaults: ResolvedLoadDefaults | undefined,
): ResolvedLoadDefaults {
  const resolve = <T>(
    option: keyof LoadOptions,
    parse: (value: unknown) => T,
    otherwise: T | undefined,
  ): T => {
    const value = given[option]
    if (value !== undefined) return parse(value)
    return otherwise === undefined ? parse(LOAD_DEFAULTS[option]) : otherwise
  }
  return {
    revalidate: resolve(
      'revalidate',
      (value) => checkOneOf(value, 'revalidate', ['blocking', 'background']),
      defaults?.revalidate,
    ),
    softTimeoutMs: resolve('softTimeout', orNull('softTimeout'), defaults?.softTimeoutMs),
    timeoutMs: resolve('timeout', orNull('timeout'), defaults?.timeoutMs),
    backoffMs: resolve('backoff', (value) => parseDuration(value, 'backoff'), defaults?.backoffMs),
    errorTtlMs: resolve(
      'errorTtl',
      (value) => (value === null ? 0 : parseDuration(value, 'errorTtl')),
      defaults?.errorTtlMs,
    ),
    nullTtlMs:
      given.nullTtl === undefined
        ? defaults?.nullTtlMs
        : parseTtl(given.nullTtl, 'nullTtl', 'invalid-option'),
    refreshAhead: resolve('refreshAhead', toFraction('refreshAhead'), defaults?.refreshAhead),
    jitter: resolve('jitter', toFraction('jitter'), defaults?.jitter),
  }
}

/** Refuses what a call names itself and what can have no effect. */
export function refuseContradictions(
  options: LoadOptions & { readonly [NAMED]?: LoadOptions },
  loading: ResolvedLoadDefaults,
  graceMs: number,
): void {
  const given = options[NAMED] ?? options
  if (given.revalidate === 'background' && graceMs === 0)
    throw invalid('revalidate', "'blocking', or given together with a `grace`", given.revalidate)
  if (given.softTimeout != null && graceMs === 0)
    throw invalid('softTimeout', 'given together with a `grace`', given.softTimeout)
  refuseTimeouts(given, loading)
}

/** As refuseContradictions, where a grace may still come from elsewhere. */
export function refuseTimeouts(
  given: Readonly<Partial<Record<keyof LoadOptions, unknown>>>,
  { revalidate, softTimeoutMs, timeoutMs }: ResolvedLoadDefaults,
): void {
  if (given.softTimeout == null || softTimeoutMs === null) return
  if (revalidate === 'background')
    throw invalid(
      'softTimeout',
      "left out with `revalidate: 'background'`, which never waits",
      given.softTimeout,
    )
  if (timeoutMs !== null && timeoutMs <= softTimeoutMs)
    throw invalid('softTimeout', `shorter than \`timeout\`, ${timeoutMs} ms`, given.softTimeout)
}

function toFraction(option: string): (value: unknown) => number {
  return (value) => {
    if (typeof value === 'number' && value >= 0 && value < 1) return value
    throw invalid(option, 'a number from 0 to below 1', value)
  }
}

function orNull(option: string): (value: unknown) => number | null {
  return (value) => (value === null ? null : parseTimeout(value, option))
}
