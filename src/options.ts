// Turns options into complete values, once: behind this file nobody asks for a default.
// The options are declared and documented in cache-options.ts and call-options.ts.

import type { CacheOptions, PoolLike } from './cache-options.ts'
import { bytesCodec } from './codecs/bytes.ts'
import type { Codec } from './codecs/codec.ts'
import { jsonCodec } from './codecs/json.ts'
import { checkBoolean, checkInteger, checkOneOf, fillDefaults, invalid, typeName } from './core/check.ts'
import { parseDuration, parseTimeout, parseTtl } from './core/duration.ts'
import { CacheError } from './core/errors.ts'
import { assertIdentifier, assertIdentifierPrefix } from './core/identifier.ts'

import { parseGrace } from './call-options.ts'
import { LOAD_DEFAULTS, refuseTimeouts, type ResolvedLoadDefaults, resolveLoading } from './load-options.ts'

export type * from './cache-options.ts'
export * from './call-options.ts'
export type { LoadOptions } from './load-options.ts'

export const DEFAULT_SCHEMA: string = 'postgres_cache'

const MIB = 1024 * 1024

const MAX_POOL_CONNECTIONS = 100 // the default max_connections of a server: more in one process is a slip
const MAX_VALUE_BYTES = 64 * MIB // a batch of text must stay far below the server's 1 GB per parameter
const MAX_LOCAL_ENTRIES = 2 ** 24 // the capacity of a Map in V8
const MAX_PRUNE_BATCH_ROWS = 10_000 // one statement of the sweeper must stay well below queryTimeout
const MIN_STALENESS_MS = 100 // below, every read would wait for a sync of its own

/** Every option, complete: durations in milliseconds, sizes in bytes. */
export interface ResolvedOptions extends ResolvedLoadDefaults {
  readonly pool: PoolSource
  /** Undefined: the address of the pool. */
  readonly sessionConnectionString: string | undefined
  readonly notifications: 'listen' | 'poll'
  readonly notifyChannel: string
  readonly schema: string
  readonly schemaPrefix: string
  readonly local: false | ResolvedLocalOptions
  readonly ttlMs: number | null
  /** 0: none. */
  readonly graceMs: number
  readonly maxStalenessMs: number
  readonly loadTimeoutMs: number
  readonly lockTimeoutMs: number
  readonly queryTimeoutMs: number
  readonly maxPendingBytes: number
  readonly maxValueBytes: number
  /** Null: no cap. */
  readonly store: { readonly maxEntries: number | null; readonly maxBytes: number | null }
  readonly pruneIntervalMs: number
  readonly pruneBatchSize: number
  readonly durability: 'unlogged' | 'logged'
  readonly migrate: boolean
  readonly codec: Codec
  readonly prepare: boolean
  /** Share of local hits. */
  readonly auditRate: number
  readonly waitUntil: (work: Promise<void>) => void
}

/** Without a connection string, pg reads the PG* environment variables. */
export type PoolSource =
  | { kind: 'own'; connectionString: string | undefined; max: number; min: number }
  | { kind: 'given'; pool: PoolLike }

export interface ResolvedLocalOptions {
  readonly maxEntries: number
  readonly maxBytes: number
  readonly values: 'clone' | 'freeze' | 'share'
  /** Null: as long as the entry's own ttl. */
  readonly ttlMs: number | null
}

// pg takes any scheme for its own, and anything else for a path on some server; the folder of a socket has no scheme.
const ADDRESS = /^(?:\/|socket:|postgres(?:ql)?:\/\/)/i

const POOL_DEFAULTS = { max: 4, min: 0 }

const LOCAL_DEFAULTS = { maxEntries: 65_536, maxBytes: 64 * MIB, values: 'clone', ttl: undefined }

const DEFAULTS: Readonly<Record<keyof CacheOptions, unknown>> = {
  connectionString: undefined,
  pool: {},
  sessionConnectionString: undefined,
  notifications: 'listen',
  notifyChannel: 'cache_events',
  schema: DEFAULT_SCHEMA,
  schemaPrefix: '',
  local: {},
  ttl: '5m',
  grace: null,
  maxStaleness: '2s',
  loadTimeout: '30s',
  lockTimeout: '5s',
  queryTimeout: '2s',
  maxPending: 64 * MIB,
  maxValueBytes: MIB,
  store: {},
  pruneInterval: '30s',
  pruneBatchSize: 500,
  durability: 'unlogged',
  migrate: true,
  codec: jsonCodec,
  prepare: true,
  audit: {},
  waitUntil: () => {},
  ...LOAD_DEFAULTS,
}

const ADDRESS_ADVICE = 'the address is `connectionString`'

/** Names of other libraries that nothing here is spelt like. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  url: ADDRESS_ADVICE,
  uri: ADDRESS_ADVICE,
  dsn: ADDRESS_ADVICE,
  host: ADDRESS_ADVICE,
  max: 'did you mean `pool.max`?',
  ssl: 'TLS is part of `connectionString`, as `sslmode`, or of a `pool` of your own',
  namespace: 'call the method `namespace()` of the cache',
}

export function resolveOptions(options: CacheOptions = {}): ResolvedOptions {
  const given = fillDefaults(options, DEFAULTS, undefined, ELSEWHERE)
  assertIdentifier(given.notifyChannel, 'notifyChannel')
  assertIdentifierPrefix(given.schemaPrefix, 'schemaPrefix')
  const maxValueBytes = checkInteger(given.maxValueBytes, 'maxValueBytes', 1, MAX_VALUE_BYTES)
  const loading = resolveLoading(given, undefined)
  refuseTimeouts(given, loading)
  return {
    pool: resolvePool(given),
    sessionConnectionString: resolveConnectionString(
      given.sessionConnectionString,
      'sessionConnectionString',
    ),
    notifications: resolveNotifications(given.notifications),
    notifyChannel: given.notifyChannel,
    schema: resolveSchema(given.schema),
    schemaPrefix: given.schemaPrefix,
    local: given.local === false ? false : resolveLocal(given.local),
    ttlMs: parseTtl(given.ttl, 'ttl', 'invalid-option'),
    graceMs: parseGrace(given.grace, 'invalid-option'),
    maxStalenessMs: parseTimeout(given.maxStaleness, 'maxStaleness', MIN_STALENESS_MS),
    loadTimeoutMs: parseTimeout(given.loadTimeout, 'loadTimeout'),
    lockTimeoutMs: parseTimeout(given.lockTimeout, 'lockTimeout'),
    queryTimeoutMs: parseTimeout(given.queryTimeout, 'queryTimeout'),
    maxPendingBytes: checkInteger(given.maxPending, 'maxPending', maxValueBytes),
    maxValueBytes,
    store: resolveStore(given.store),
    pruneIntervalMs: parseTimeout(given.pruneInterval, 'pruneInterval'),
    pruneBatchSize: checkInteger(given.pruneBatchSize, 'pruneBatchSize', 1, MAX_PRUNE_BATCH_ROWS),
    durability: checkOneOf(given.durability, 'durability', ['unlogged', 'logged']),
    migrate: checkBoolean(given.migrate, 'migrate'),
    codec: resolveCodec(given.codec),
    prepare: checkBoolean(given.prepare, 'prepare'),
    auditRate: resolveAuditRate(given.audit),
    waitUntil: resolveWaitUntil(given.waitUntil),
    ...loading,
  }
}

function resolvePool({ pool, connectionString }: Record<'pool' | 'connectionString', unknown>): PoolSource {
  // A client can be connected too, once.
  if (isPool(pool) && 'connectionParameters' in pool)
    throw new CacheError('invalid-option', 'Expected `pool` to be a pg.Pool, got a client', {
      option: 'pool',
    })
  if (!isPool(pool)) {
    const bounds = fillDefaults(pool, POOL_DEFAULTS, 'pool')
    const max = checkInteger(bounds.max, 'pool.max', 1, MAX_POOL_CONNECTIONS)
    const min = checkInteger(bounds.min, 'pool.min', 0, max)
    return {
      kind: 'own',
      connectionString: resolveConnectionString(connectionString, 'connectionString'),
      max,
      min,
    }
  }
  if (connectionString === undefined) return { kind: 'given', pool }
  const message = 'Expected either `connectionString` or a `pool` that knows its address, got both'
  throw new CacheError('invalid-option', message, { option: 'connectionString' })
}

/** Throws `invalid-option` where the session connection would lead wherever the PG* environment variables do, and hear of nothing there. */
export function checkSessionAddress({ pool, sessionConnectionString }: ResolvedOptions): void {
  if (pool.kind === 'own' || sessionConnectionString !== undefined) return
  const { options } = pool.pool
  if (typeof options === 'object' && (options as object | null) !== null) return
  const message =
    'Expected `pool` to have the `options` that it was made with, as a pg.Pool does, for the address of the session connection: ' +
    "add them, give a `sessionConnectionString`, or set `notifications: 'poll'`"
  throw new CacheError('invalid-option', message, { option: 'pool' })
}

function isPool(pool: unknown): pool is PoolLike {
  return typeof pool === 'object' && pool !== null && 'connect' in pool && typeof pool.connect === 'function'
}

// The value stays out of the message: it holds a password.
function resolveConnectionString(given: unknown, option: string): string | undefined {
  if (given === undefined || (typeof given === 'string' && ADDRESS.test(given))) return given
  const rule = "an address such as 'postgres://user:password@host:5432/database'"
  throw new CacheError(
    'invalid-option',
    `Expected \`${option}\` to be ${rule}, got ${describeAddress(given)}`,
    { option },
  )
}

function describeAddress(given: unknown): string {
  if (typeof given !== 'string') return typeName(given)
  if (given === '')
    return 'an empty string: set the variable that it comes from, or leave it out for the PG* environment variables'
  const scheme = /^[a-z][a-z\d+.-]*(?=:\/\/)/i.exec(given)?.[0]
  return scheme === undefined ? 'one that does not begin with `postgres://`' : `the scheme \`${scheme}\``
}

function resolveNotifications(given: unknown): 'listen' | 'poll' {
  if (typeof given === 'boolean') return given ? 'listen' : 'poll'
  return checkOneOf(given, 'notifications', ['listen', 'poll'])
}

function resolveSchema(given: unknown): string {
  assertIdentifier(given, 'schema')
  if (!given.startsWith('pg_')) return given
  throw invalid('schema', "a name that does not begin with 'pg_', which PostgreSQL keeps for itself", given)
}

function resolveLocal(given: unknown): ResolvedLocalOptions {
  if (given === true || given === null) throw invalid('local', 'false or an object', given)
  const local = fillDefaults(given, LOCAL_DEFAULTS, 'local')
  return {
    maxEntries: checkInteger(local.maxEntries, 'local.maxEntries', 1, MAX_LOCAL_ENTRIES),
    maxBytes: checkInteger(local.maxBytes, 'local.maxBytes', 1),
    values: checkOneOf(local.values, 'local.values', ['clone', 'freeze', 'share']),
    ttlMs: local.ttl === undefined ? null : parseDuration(local.ttl, 'local.ttl'),
  }
}

function resolveStore(given: unknown): ResolvedOptions['store'] {
  const { maxEntries, maxBytes } = fillDefaults(given, { maxEntries: null, maxBytes: null }, 'store')
  return {
    maxEntries: maxEntries === null ? null : checkInteger(maxEntries, 'store.maxEntries', 1),
    maxBytes: maxBytes === null ? null : checkInteger(maxBytes, 'store.maxBytes', 1),
  }
}

function resolveAuditRate(given: unknown): number {
  const { sampleRate } = fillDefaults(given, { sampleRate: 0 }, 'audit')
  if (typeof sampleRate === 'number' && sampleRate >= 0 && sampleRate <= 1) return sampleRate
  throw invalid('audit.sampleRate', 'a number from 0 to 1', sampleRate)
}

function resolveWaitUntil(given: unknown): (work: Promise<void>) => void {
  if (typeof given === 'function') return given as (work: Promise<void>) => void
  throw invalid('waitUntil', 'a function that takes a promise', given)
}

function resolveCodec(given: unknown): Codec {
  if (given === jsonCodec) return jsonCodec
  if (!isCodec(given)) throw invalid('codec', 'an object with `id`, `encode` and `decode`', given)
  const isOwn = given.id !== jsonCodec.id && given.id !== bytesCodec.id
  if (!isOwn || given.id === '' || !given.id.isWellFormed() || given.id.includes('\0'))
    throw invalid('codec.id', "a non-empty string of its own, neither 'json' nor 'bytes'", given.id)
  if (given.bytes !== undefined) checkOneOf(given.bytes, 'codec.bytes', ['as-is', 'encoded'])
  if (given.plain !== undefined) checkOneOf(given.plain, 'codec.plain', ['read', 'refuse'])
  return given
}

function isCodec(given: unknown): given is Codec {
  if (typeof given !== 'object' || given === null) return false
  const { id, encode, decode } = given as Partial<Codec>
  return typeof id === 'string' && typeof encode === 'function' && typeof decode === 'function'
}
