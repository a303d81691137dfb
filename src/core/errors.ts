// The one error class of the package. A message says what to do; the code is the stable part to branch on.

/**
 * Why a call failed. A closed set: a new code is a minor release, a changed meaning a major one.
 *
 * Refused before the database sees anything:
 * - `invalid-option`: an option of the constructor or of a call is wrong; the message names option, rule and value.
 * - `invalid-key`: a key or prefix is empty, too long, holds NUL or is not well-formed; shorten or encode it.
 * - `invalid-tag`: the same for a tag, or too many tags on one entry.
 * - `invalid-ttl`: a `ttl` or `grace` is not a positive duration; pass `null` as ttl for no expiry.
 * - `invalid-value`: the codec cannot encode the value, or cannot decode what is stored; fix the value or the codec.
 * - `value-too-large`: the encoded value exceeds `maxValueBytes`, or `maxBytes` of `compressed()`; store less, or raise the option.
 *
 * The server or the way to it:
 * - `unavailable`: the server cannot be reached, or the circuit is open after it could not; retry later.
 * - `timeout`: a statement took longer than `queryTimeout`; look for load or locks on the server, or raise it.
 *   A write may have happened all the same.
 * - `overloaded`: more than `maxPending` bytes are under way in this process; slow down, or raise the option.
 * - `too-many-connections`: the server has no connection left; lower `pool.max` or raise `max_connections`.
 * - `read-only`: connected to a standby or a read-only session; connect to the primary.
 * - `unsupported-server`: older than PostgreSQL 14, or not PostgreSQL; upgrade the server.
 * - `query-failed`: the server refused a statement for a reason that has no code of its own; see `cause`.
 * - `locked`: the row stayed locked by another transaction; retry, and keep transactions that write entries short.
 *
 * The schema:
 * - `permission-denied`: the role lacks a right; the message names who has to run or to grant what.
 * - `schema-missing`: nothing is installed and `migrate` is false; run `postgres-cache migrate`.
 * - `schema-outdated`: a breaking migration waits, or the schema lacks a function of this release; run `postgres-cache migrate`.
 * - `schema-newer`: a newer release has migrated the schema incompatibly; upgrade this package.
 * - `settings-mismatch`: the schema was installed with another channel or durability; use the same everywhere.
 *
 * Loads and lifetime:
 * - `load-timeout`: the loader did not settle within `loadTimeout`; make it faster, or raise the option.
 * - `wait-timeout`: the value was not there within the call's `timeout`; its load goes on, so a later call may have it.
 * - `reentrant-load`: a loader called `getOrSet` for the key it is loading; load that value directly instead.
 * - `transaction-ended`: the transaction of `withTransaction` is over, or none was begun; call it after BEGIN.
 * - `closed`: `close()` was called; make a new cache.
 */
export type CacheErrorCode =
  | 'invalid-option'
  | 'invalid-key'
  | 'invalid-tag'
  | 'invalid-ttl'
  | 'invalid-value'
  | 'value-too-large'
  | 'unavailable'
  | 'timeout'
  | 'overloaded'
  | 'too-many-connections'
  | 'permission-denied'
  | 'schema-missing'
  | 'schema-outdated'
  | 'schema-newer'
  | 'settings-mismatch'
  | 'load-timeout'
  | 'wait-timeout'
  | 'reentrant-load'
  | 'transaction-ended'
  | 'locked'
  | 'read-only'
  | 'closed'
  | 'query-failed'
  | 'unsupported-server'

export interface CacheErrorDetails {
  /** The key the call was about, where it was about one. */
  readonly key?: string | undefined
  /** The option at fault, dotted where nested: `local.maxBytes`. */
  readonly option?: string | undefined
  readonly cause?: unknown
}

/** Every error the package itself raises. What a loader throws reaches the caller unchanged. */
export class CacheError extends Error {
  static {
    // On the prototype, so that the stack captured by the Error constructor already begins with the name.
    this.prototype.name = 'CacheError'
  }

  readonly code: CacheErrorCode
  declare readonly key?: string
  declare readonly option?: string

  constructor(code: CacheErrorCode, message: string, details: CacheErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    if (details.key !== undefined) this.key = details.key
    if (details.option !== undefined) this.option = details.option
  }
}

/** Whether `error` is a {@link CacheError}, and of the given code where one is given. */
export function isCacheError<C extends CacheErrorCode>(
  error: unknown,
  code?: C,
): error is CacheError & { readonly code: C } {
  return error instanceof CacheError && (code === undefined || error.code === code)
}

export function closedError(): CacheError {
  return new CacheError('closed', 'the cache is closed: make a new one')
}
