// What an error from the driver means: which CacheError it becomes, whether the statement may have happened, and whether to try again.

import { CacheError, type CacheErrorCode } from '../core/errors.ts'
import { isLoginFailure, loginAdvice } from './login-failures.ts'
import { tlsAdvice } from './tls-failures.ts'

/** The world that a write was meant for is gone: sql/0003_writes.sql. */
export const WORLD_CHANGED = 'PCW01'

/** What should be added to is no number, or the sum would be none: sql/0007_atomic.sql. */
const NOT_A_NUMBER = 'PCV01'

/** Another transaction holds the row. */
export const LOCK_NOT_AVAILABLE = '55P03'

/** In a database that is not in UTF-8: a character that its encoding does not have. */
const UNTRANSLATABLE_CHARACTER = '22P05'

/** What our functions say begins so, for the log of the server. */
const RAISED_BY_US = /^postgres-cache: /

// serialization_failure, deadlock_detected, lock_not_available
const RETRYABLE = new Set(['40001', '40P01', LOCK_NOT_AVAILABLE])

const BY_SQLSTATE: Readonly<Record<string, CacheErrorCode>> = {
  '53300': 'too-many-connections',
  '42501': 'permission-denied',
  '3D000': 'invalid-option',
  '3F000': 'schema-missing',
  '42P01': 'schema-missing',
  '42883': 'schema-outdated',
  '25006': 'read-only',
  '57014': 'timeout',
  '57P01': 'unavailable',
  '57P02': 'unavailable',
  '57P03': 'unavailable',
  [LOCK_NOT_AVAILABLE]: 'locked',
  [NOT_A_NUMBER]: 'invalid-value',
}

// Which schema it is about is not known here.
const MIGRATE =
  'run `npx postgres-cache migrate`, with the `--schema` and `--prefix` of this cache where it has its own'

const ADVICE: Partial<Record<CacheErrorCode, string>> = {
  'invalid-option': 'create the database, or name another one in the address',
  'too-many-connections':
    "the server has no connection left: lower `pool.max`, set `notifications: 'poll'` to do without the session connection, or raise max_connections",
  'permission-denied':
    'the role lacks a right: let an administrator run what `npx postgres-cache sql --roles` prints, with the role that installed the schema as `--owner`, ' +
    'this one as `--application`, and the `--schema` and `--prefix` of this cache where it has its own',
  'schema-missing': `the schema is not installed here: ${MIGRATE}; where that finds nothing to do, somebody has dropped a part of it: \`drop\` it, then \`migrate\``,
  'schema-outdated': `the schema lacks a function of this release: ${MIGRATE}`,
  'read-only':
    'the server is a standby or refuses writes: connect to the primary, or reset default_transaction_read_only of role or database',
  locked:
    'another transaction holds the row, or its table: retry, and keep transactions that write entries short',
  unavailable: 'the server cannot be reached',
  'invalid-value': 'the sum would be no number: delete the entry, or count under another key',
}

const TOO_SLOW =
  'the statement took longer than `queryTimeout`, or than the statement_timeout of role, database or address'

const ONLY_READ: ReadonlySet<string> = new Set([
  'read',
  'scan',
  'sync',
  'connect',
  'session',
  'status',
  'doctor',
  'watches',
])

const NO_CONNECTION =
  'nothing was sent, because the pool gave no connection: see whether host and port of the address answer at all, whether all of its connections are held ' +
  'while you call the cache, and raise its `max`'

/** A statement that got no answer in time. Raised here, because pg would leave the connection with the statement on it. */
export class StatementTimeout extends Error {
  constructor(ms: number) {
    super(`no answer within ${ms} ms`)
    this.name = 'StatementTimeout'
  }
}

/** No connection could be had in time: nothing was sent. */
export class NoConnection extends Error {
  /** Null: the pool has a deadline of its own. */
  constructor(ms: number | null) {
    super(ms === null ? 'no connection before the deadline of the pool' : `no connection within ${ms} ms`)
    this.name = 'NoConnection'
  }
}

export function sqlStateOf(error: unknown): string | undefined {
  const code = fieldOf(error, 'code')
  if (fieldOf(error, 'syscall') !== undefined) return undefined // EPIPE would pass
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

export function isRetryable(error: unknown): boolean {
  return RETRYABLE.has(sqlStateOf(error) ?? '')
}

export function isUntranslatable(error: unknown): boolean {
  return error instanceof CacheError && sqlStateOf(error.cause) === UNTRANSLATABLE_CHARACTER
}

/** Whether the connection, not the statement, failed: what the circuit breaker counts. */
export function isConnectionFailure(error: unknown): boolean {
  if (error instanceof CacheError)
    return error.code === 'unavailable' || error.code === 'too-many-connections'
  if (error instanceof StatementTimeout || error instanceof NoConnection) return true
  if (isLoginFailure(error)) return false
  const state = sqlStateOf(error)
  if (state === undefined) return true // no SQLSTATE: a socket error or a broken protocol
  return state.startsWith('08') || state.startsWith('57P') || state === '53300'
}

/** Whether the connection broke under the statement: the server has ended it, or it was lost on the way. */
export function isBreak(error: unknown): boolean {
  if (error instanceof StatementTimeout) return false
  const state = sqlStateOf(error)
  return state === undefined || state === '57P01' || state === '57P02'
}

/** Whether a write that failed like this may have been committed. */
export function isAmbiguous(error: unknown): boolean {
  if (error instanceof CacheError) return error.cause !== undefined && isAmbiguous(error.cause)
  if (error instanceof StatementTimeout) return true
  if (error instanceof NoConnection) return false
  const state = sqlStateOf(error)
  return state === undefined || state.startsWith('08') || state.startsWith('57P')
}

/** `key`: the one that the operation was about, where it was about one alone. */
export function toCacheError(error: unknown, operation: string, key?: string): CacheError {
  if (error instanceof CacheError) return error
  const code = codeOf(error)
  const advice =
    tlsAdvice(error) ?? loginAdvice(error) ?? timeoutAdvice(error, code, operation) ?? ADVICE[code]
  const detail = messageOf(error).replace(RAISED_BY_US, '')
  if (sqlStateOf(error) !== undefined) removeData(error as object)
  const failed = key === undefined ? operation : `${operation} of key ${JSON.stringify(key)}`
  const message = `${failed} failed: ${advice === undefined ? detail : `${advice} (${detail})`}`
  return new CacheError(code, message, { key, cause: error })
}

function timeoutAdvice(error: unknown, code: CacheErrorCode, operation: string): string | undefined {
  if (error instanceof NoConnection) return NO_CONNECTION
  if (code !== 'timeout') return undefined
  return ONLY_READ.has(operation) ? TOO_SLOW : `${TOO_SLOW}; a write may have happened all the same`
}

// A refused row is shown whole in DETAIL, and it may be that of another caller whose write shares the statement.
function removeData(error: { detail?: unknown; where?: unknown }): void {
  delete error.detail
  delete error.where
}

// A host with several addresses fails once for each, in an error without a message of its own.
function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join(', ')
  return error instanceof Error ? error.message : String(error)
}

function codeOf(error: unknown): CacheErrorCode {
  if (error instanceof StatementTimeout || error instanceof NoConnection) return 'timeout'
  const state = sqlStateOf(error)
  if (isLoginFailure(error)) return 'permission-denied'
  if (state === undefined) return 'unavailable'
  if (isRefusedInRecovery(error, state)) return 'read-only'
  return BY_SQLSTATE[state] ?? (state.startsWith('08') ? 'unavailable' : 'query-failed')
}

// During recovery, unlogged tables cannot be read (feature_not_supported), nor the write position (wrong state). Both states have other reasons, too,
// and the server may say it in another language: then the function tells that said so.
function isRefusedInRecovery(error: unknown, state: string): boolean {
  if (state !== '0A000' && state !== '55000') return false
  const routine = fieldOf(error, 'routine')
  return (
    routine === 'get_relation_info' ||
    routine === 'pg_current_wal_lsn' ||
    fieldOf(error, 'message')?.includes('recovery') === true
  )
}

function fieldOf(error: unknown, field: 'code' | 'message' | 'routine' | 'syscall'): string | undefined {
  if (typeof error !== 'object' || error === null || !(field in error)) return undefined
  const value = (error as Record<string, unknown>)[field]
  return typeof value === 'string' ? value : undefined
}
