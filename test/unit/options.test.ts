import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { NullCache, PostgresCache } from '../../src/index.ts'
import type { Codec } from '../../src/codecs/codec.ts'
import { jsonCodec } from '../../src/codecs/json.ts'
import { type CacheOptions, resolveOptions } from '../../src/options.ts'

const MIB = 1024 * 1024
const pool = { connect: () => Promise.reject(new Error('not connected in this test')) }

const resolveAny = (options: unknown) => resolveOptions(options as CacheOptions)

describe('resolveOptions', () => {
  test('completes what is left out', () => {
    const defaults = {
      pool: { kind: 'own', connectionString: undefined, max: 4, min: 0 },
      sessionConnectionString: undefined,
      notifications: 'listen',
      notifyChannel: 'cache_events',
      schema: 'postgres_cache',
      schemaPrefix: '',
      local: { maxEntries: 65_536, maxBytes: 64 * MIB, values: 'clone', ttlMs: null },
      ttlMs: 300_000,
      maxStalenessMs: 2_000,
      loadTimeoutMs: 30_000,
      lockTimeoutMs: 5_000,
      queryTimeoutMs: 2_000,
      maxPendingBytes: 64 * MIB,
      maxValueBytes: MIB,
      store: { maxEntries: null, maxBytes: null },
      pruneIntervalMs: 30_000,
      pruneBatchSize: 500,
      durability: 'unlogged',
      migrate: true,
      codec: jsonCodec,
      prepare: true,
      graceMs: 0,
      revalidate: 'blocking',
      softTimeoutMs: null,
      timeoutMs: null,
      backoffMs: 1_000,
      errorTtlMs: 0,
      nullTtlMs: undefined,
      refreshAhead: 0,
      jitter: 0.03,
      auditRate: 0,
      waitUntil: expect.any(Function),
    }
    expect(resolveOptions()).toEqual(defaults)
    expect(resolveOptions({})).toEqual(defaults)
    const names: (keyof CacheOptions)[] = [
      'connectionString',
      'pool',
      'local',
      'ttl',
      'migrate',
      'codec',
      'store',
    ]
    expect(resolveAny(Object.fromEntries(names.map((name) => [name, undefined])))).toEqual(defaults)
  })

  test('takes every option', () => {
    const codec: Codec = { id: 'upper', encode: String, decode: String }
    const waitUntil = (): void => {}
    expect(
      resolveOptions({
        connectionString: 'postgres://localhost/app',
        pool: { max: 10, min: 2 },
        sessionConnectionString: 'postgres://direct/app',
        notifications: 'poll',
        notifyChannel: 'events',
        schema: 'app',
        schemaPrefix: 'marketing_',
        local: { maxEntries: 10, maxBytes: 1_000, values: 'freeze', ttl: '10s' },
        ttl: null,
        maxStaleness: '100ms',
        loadTimeout: '1m',
        lockTimeout: 1_000,
        queryTimeout: '500ms',
        maxPending: 32 * MIB,
        maxValueBytes: 2 * MIB,
        store: { maxEntries: 1_000, maxBytes: 10 * MIB },
        pruneInterval: '5s',
        pruneBatchSize: 100,
        durability: 'logged',
        migrate: false,
        codec,
        prepare: false,
        grace: '1h',
        revalidate: 'blocking',
        softTimeout: 10,
        timeout: '1s',
        backoff: '5s',
        errorTtl: 20,
        nullTtl: '3s',
        refreshAhead: 0.2,
        jitter: 0,
        audit: { sampleRate: 0.5 },
        waitUntil,
      }),
    ).toEqual({
      pool: { kind: 'own', connectionString: 'postgres://localhost/app', max: 10, min: 2 },
      sessionConnectionString: 'postgres://direct/app',
      notifications: 'poll',
      notifyChannel: 'events',
      schema: 'app',
      schemaPrefix: 'marketing_',
      local: { maxEntries: 10, maxBytes: 1_000, values: 'freeze', ttlMs: 10_000 },
      ttlMs: null,
      maxStalenessMs: 100,
      loadTimeoutMs: 60_000,
      lockTimeoutMs: 1_000,
      queryTimeoutMs: 500,
      maxPendingBytes: 32 * MIB,
      maxValueBytes: 2 * MIB,
      store: { maxEntries: 1_000, maxBytes: 10 * MIB },
      pruneIntervalMs: 5_000,
      pruneBatchSize: 100,
      durability: 'logged',
      migrate: false,
      codec,
      prepare: false,
      graceMs: 3_600_000,
      revalidate: 'blocking',
      softTimeoutMs: 10,
      timeoutMs: 1_000,
      backoffMs: 5_000,
      errorTtlMs: 20,
      nullTtlMs: 3_000,
      refreshAhead: 0.2,
      jitter: 0,
      auditRate: 0.5,
      waitUntil,
    })
  })

  test('true and false stand for listening and polling', () => {
    expect(resolveOptions({ notifications: true }).notifications).toBe('listen')
    expect(resolveOptions({ notifications: false }).notifications).toBe('poll')
  })

  test('false switches the local cache off', () => {
    expect(resolveOptions({ local: false }).local).toBe(false)
  })

  test('does not read DATABASE_URL by itself', () => {
    const before = process.env.DATABASE_URL
    process.env.DATABASE_URL = 'postgres://elsewhere/app'
    try {
      expect(resolveOptions().pool).toMatchObject({ kind: 'own', connectionString: undefined })
    } finally {
      if (before === undefined) delete process.env.DATABASE_URL
      else process.env.DATABASE_URL = before
    }
  })

  test("takes the caller's pool as it is", () => {
    const resolved = resolveOptions({ pool, sessionConnectionString: 'postgres://direct/app' })
    expect(resolved.pool).toEqual({ kind: 'given', pool })
    expect(resolved.sessionConnectionString).toBe('postgres://direct/app')
  })

  test('takes a pool that does not tell its address for anything but a session connection', () => {
    for (const options of [
      { pool: { ...pool, options: { host: 'db' } } },
      { pool, notifications: 'poll' },
      { pool, notifications: false },
      { pool, sessionConnectionString: 'postgres://direct/app' },
    ] as const)
      expect(() => new PostgresCache(options)).not.toThrow()
    for (const options of [undefined, null] as never[]) {
      const untold = { ...pool, options }
      expect(() => new NullCache({ pool: untold })).not.toThrow()
      expect(() => new PostgresCache({ pool: untold })).toThrow(
        expect.objectContaining({
          code: 'invalid-option',
          option: 'pool',
          message: expect.stringContaining('sessionConnectionString'),
        }),
      )
    }
  })

  test('keeps the other pool bound when one is given', () => {
    expect(resolveOptions({ pool: { max: 9 } }).pool).toMatchObject({ max: 9, min: 0 })
    expect(resolveOptions({ local: { maxEntries: 9 } }).local).toMatchObject({
      maxEntries: 9,
      values: 'clone',
    })
    expect(resolveOptions({ store: { maxBytes: 9 } }).store).toEqual({ maxEntries: null, maxBytes: 9 })
  })

  test.each([
    ['connectionString', ''],
    ['connectionString', 'localhost'],
    ['connectionString', 'host=localhost dbname=app'],
    ['connectionString', 'mysql://root@127.0.0.1/app'],
    ['connectionString', 'postgres:localhost'],
    ['sessionConnectionString', 'https://localhost/app'],
    ['connectionString', null],
    ['connectionString', 5],
    ['sessionConnectionString', ''],
    ['sessionConnectionString', new URL('postgres://localhost')],
    ['pool', null],
    ['pool', new pg.Client()],
    ['pool', 4],
    ['pool', [4]],
    ['pool.max', 0],
    ['pool.max', 101],
    ['pool.max', 2.5],
    ['pool.max', '4'],
    ['pool.min', -1],
    ['pool.min', 5],
    ['notifications', 'off'],
    ['notifications', null],
    ['notifyChannel', ''],
    ['notifyChannel', 'x'.repeat(64)],
    ['schema', ''],
    ['schema', 'pg_cache'],
    ['schema', 'x'.repeat(64)],
    ['schemaPrefix', 'x'.repeat(24)],
    ['schemaPrefix', null],
    ['local', true],
    ['local', null],
    ['local', 4096],
    ['local.maxEntries', 0],
    ['local.maxEntries', 2 ** 24 + 1],
    ['local.maxBytes', 0],
    ['local.maxBytes', Infinity],
    ['local.values', 'copy'],
    ['local.ttl', 0],
    ['local.ttl', null],
    ['ttl', 0],
    ['ttl', '5'],
    ['maxStaleness', '99ms'],
    ['maxStaleness', null],
    ['loadTimeout', 0],
    ['loadTimeout', '25d'],
    ['lockTimeout', -1],
    ['queryTimeout', 'soon'],
    ['maxPending', MIB - 1],
    ['maxPending', Number.NaN],
    ['maxValueBytes', 0],
    ['maxValueBytes', 64 * MIB + 1],
    ['store', null],
    ['store.maxEntries', 0],
    ['store.maxBytes', -1],
    ['pruneInterval', 0],
    ['pruneBatchSize', 0],
    ['pruneBatchSize', 10_001],
    ['durability', 'none'],
    ['migrate', 'yes'],
    ['migrate', null],
    ['prepare', 1],
    ['codec', null],
    ['codec', 'json'],
    ['codec', { id: 'half', encode: String }],
    ['codec', { id: 5, encode: String, decode: String }],
    ['codec.id', { id: '', encode: String, decode: String }],
    ['codec.id', { id: 'json', encode: String, decode: String }],
    ['codec.id', { id: 'bytes', encode: String, decode: String }],
    ['codec.id', { id: 'a\0', encode: String, decode: String }],
    ['codec.bytes', { id: 'a', bytes: 'some', encode: String, decode: String }],
    ['codec.plain', { id: 'a', plain: true, encode: String, decode: String }],
  ])('refuses %s: %o', (option, value) => {
    expect(() => resolveAny(nest(option, value))).toThrow(
      expect.objectContaining({
        name: 'CacheError',
        code: 'invalid-option',
        option,
        message: expect.stringContaining(`\`${option}\``),
      }),
    )
  })

  test('a message names option, rule and value', () => {
    expect(() => resolveOptions({ pool: { max: 0 } })).toThrow(
      'Expected `pool.max` to be an integer from 1 to 100, got `0` (number)',
    )
    expect(() => resolveAny({ durability: 'none' })).toThrow(
      "Expected `durability` to be one of 'unlogged', 'logged', got `'none'` (string)",
    )
    expect(() => resolveOptions({ maxValueBytes: 2 * MIB, maxPending: MIB })).toThrow(
      'Expected `maxPending` to be an integer of at least 2097152, got `1048576` (number)',
    )
  })

  test.each([
    ['', 'got an empty string: set the variable that it comes from, or leave it out'],
    ['mysql://u:secret@h/d', 'got the scheme `mysql`'],
    ['u:secret@h/d', 'got one that does not begin with `postgres://`'],
    [' postgres://u:secret@h/d', 'got one that does not begin with `postgres://`'],
    [null, 'got null'],
    [{ password: 'secret' }, 'got object'],
  ])('says of an address what it is, and no password: %j', (connectionString, got) => {
    const message = messageOf(() => resolveAny({ connectionString }))
    expect(message).toContain(`Expected \`connectionString\` to be an address such as `)
    expect(message).toContain(got)
    expect(message).not.toContain('secret')
  })

  test.each([
    'postgres://localhost/app',
    'postgresql://u:p@[::1]:5432/app?sslmode=require',
    'POSTGRES://localhost/app',
    'postgres:///app',
    'postgres://u@/app?host=/run/postgresql',
    'socket:/run/postgresql?db=app',
    'socket://user:password@/run/postgresql?db=app',
    '/run/postgresql app',
  ])('takes what pg takes: %s', (connectionString) => {
    expect(resolveOptions({ connectionString }).pool).toMatchObject({ connectionString })
  })

  test.each([
    ['url', 'the address is `connectionString`'],
    ['uri', 'the address is `connectionString`'],
    ['dsn', 'the address is `connectionString`'],
    ['host', 'the address is `connectionString`'],
    ['max', 'did you mean `pool.max`?'],
    ['ssl', 'TLS is part of `connectionString`, as `sslmode`, or of a `pool` of your own'],
    ['namespace', 'call the method `namespace()` of the cache'],
    ['prefix', 'did you mean `schemaPrefix`?'],
    ['defaultTtl', 'did you mean `ttl`?'],
    ['connection', 'did you mean `connectionString`?'],
    ['redis', 'expected one of connectionString, '],
  ])('knows what `%s` means elsewhere', (name, advice) => {
    expect(messageOf(() => resolveAny({ [name]: 1 }))).toContain(`Unknown option \`${name}\`: ${advice}`)
  })

  test.each([
    [{ tll: '5m' }, 'Unknown option `tll`: did you mean `ttl`?'],
    [{ schema_prefix: 'a' }, 'Unknown option `schema_prefix`: did you mean `schemaPrefix`?'],
    [{ pool: { maxx: 4 } }, 'Unknown option `pool.maxx`: did you mean `pool.max`?'],
    [{ local: { maxentries: 4 } }, 'Unknown option `local.maxentries`: did you mean `local.maxEntries`?'],
    [{ store: { rows: 4 } }, 'Unknown option `store.rows`: expected one of maxEntries, maxBytes'],
    [{ toString: 1 }, 'Unknown option `toString`: expected one of connectionString, '],
  ])('refuses unknown names: %j', (options, message) => {
    expect(() => resolveAny(options)).toThrow(
      expect.objectContaining({ code: 'invalid-option', message: expect.stringContaining(message) }),
    )
  })

  test.each(['postgres://localhost/app', null, 5, []])('refuses %j in place of options', (options) => {
    expect(() => resolveAny(options)).toThrow(
      expect.objectContaining({ code: 'invalid-option', message: expect.stringContaining('an object') }),
    )
  })

  test.each<[CacheOptions, string]>([
    [{ softTimeout: 50, timeout: 50 }, 'Expected `softTimeout` to be shorter than `timeout`, 50 ms'],
    [{ softTimeout: 50, revalidate: 'background' }, 'left out with `revalidate: '],
  ])('refuses what can have no effect in any call: %j', (options, message) => {
    expect(() => resolveOptions(options)).toThrow(
      expect.objectContaining({
        code: 'invalid-option',
        option: 'softTimeout',
        message: expect.stringContaining(message),
      }),
    )
    // A call may bring the grace that these need.
    expect(() => resolveOptions({ softTimeout: 50 })).not.toThrow()
    expect(resolveOptions({ revalidate: 'background' })).toMatchObject({ revalidate: 'background' })
  })

  test('refuses two addresses', () => {
    expect(() => resolveOptions({ connectionString: 'postgres://localhost/app', pool })).toThrow(
      expect.objectContaining({
        code: 'invalid-option',
        option: 'connectionString',
        message: 'Expected either `connectionString` or a `pool` that knows its address, got both',
      }),
    )
  })

  test('never shows a connection string, which holds a password', () => {
    for (const options of [
      { connectionString: 'postgres://u:secret@h/d', pool },
      { connectionString: { href: 'secret' } },
      { pool: 'postgres://u:secret@h/d' },
    ]) {
      expect(() => resolveAny(options)).toThrow(
        expect.objectContaining({ message: expect.not.stringContaining('secret') }),
      )
    }
  })
})

function messageOf(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    return (error as Error).message
  }
  return 'it was taken'
}

/** `{ local: { ttl: 0 } }` for 'local.ttl'; a codec stands for itself. */
function nest(option: string, value: unknown): object {
  const [outer, inner] = option.split('.')
  return { [String(outer)]: inner === undefined || outer === 'codec' ? value : { [inner]: value } }
}
