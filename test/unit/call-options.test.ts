import { describe, expect, test } from 'vitest'
import {
  type SetEntry,
  resolveLoadOptions,
  resolveScanOptions,
  resolveSetOptions,
} from '../../src/call-options.ts'
import { resolveSetEntry } from '../../src/set-entries.ts'

const loading = {
  revalidate: 'blocking',
  softTimeoutMs: null,
  timeoutMs: null,
  backoffMs: 1_000,
  errorTtlMs: 0,
  nullTtlMs: undefined,
  refreshAhead: 0,
  jitter: 0.03,
} as const
const defaults = { ttlMs: 300_000, graceMs: 0, loadTimeoutMs: 30_000, ...loading }
const refused = (code: string) => expect.objectContaining({ name: 'CacheError', code })

describe('resolveSetOptions', () => {
  test('completes what is left out', () => {
    const plain = { ttlMs: 300_000, graceMs: 0, tags: [] }
    expect(resolveSetOptions(undefined, defaults)).toEqual(plain)
    expect(resolveSetOptions({ ttl: undefined, grace: undefined, tags: undefined }, defaults)).toEqual(plain)
    expect(resolveSetOptions(undefined, { ttlMs: null, graceMs: 0 }).ttlMs).toBe(null)
  })

  test('takes what is given', () => {
    expect(resolveSetOptions({ ttl: '1m', grace: '1h', tags: ['a', 'b', 'a'] }, defaults)).toEqual({
      ttlMs: 60_000,
      graceMs: 3_600_000,
      tags: ['a', 'b'],
    })
  })

  test('null overrides a default ttl and a default grace', () => {
    expect(resolveSetOptions({ ttl: null }, defaults).ttlMs).toBe(null)
    expect(resolveSetOptions({}, { ...defaults, graceMs: 5 }).graceMs).toBe(5)
    expect(resolveSetOptions({ grace: null }, { ...defaults, graceMs: 5 }).graceMs).toBe(0)
  })

  test('refuses a wrong ttl, grace or tag', () => {
    expect(() => resolveSetOptions({ ttl: 0 }, defaults)).toThrow(refused('invalid-ttl'))
    expect(() => resolveSetOptions({ grace: -1 }, defaults)).toThrow(refused('invalid-ttl'))
    expect(() => resolveSetOptions({ tags: [''] }, defaults)).toThrow(refused('invalid-tag'))
    expect(() => resolveSetOptions({ tags: null as never }, defaults)).toThrow(refused('invalid-tag'))
  })
})

describe('resolveSetEntry', () => {
  test('takes a pair', () => {
    expect(resolveSetEntry(['k', 1], { ttl: '1s', tags: ['t'] }, defaults)).toEqual({
      key: 'k',
      value: 1,
      ttlMs: 1_000,
      graceMs: 0,
      tags: ['t'],
    })
  })

  test("an entry's own options win over the call's", () => {
    const entry: SetEntry = { key: 'k', value: null, ttl: null, tags: ['own'] }
    expect(resolveSetEntry(entry, { ttl: '1s', grace: '1m', tags: ['call'] }, defaults)).toEqual({
      key: 'k',
      value: null,
      ttlMs: null,
      graceMs: 60_000,
      tags: ['own'],
    })
  })

  test('an option that an entry gives as undefined is left out', () => {
    const entry: SetEntry = { key: 'k', value: 1, ttl: undefined, tags: undefined }
    expect(resolveSetEntry(entry, { ttl: '1s', tags: ['call'] }, defaults)).toMatchObject({
      ttlMs: 1_000,
      tags: ['call'],
    })
  })

  test('refuses a wrong key', () => {
    expect(() => resolveSetEntry(['', 1], undefined, defaults)).toThrow(refused('invalid-key'))
    expect(() => resolveSetEntry({ key: 'a\0', value: 1 }, undefined, defaults)).toThrow(
      refused('invalid-key'),
    )
  })

  test.each([null, undefined, 'k', 5])('refuses %j in place of an entry', (entry) => {
    expect(() => resolveSetEntry(entry as unknown as SetEntry, undefined, defaults)).toThrow(
      refused('invalid-option'),
    )
  })
})

describe('resolveLoadOptions', () => {
  test('completes what is left out', () => {
    expect(resolveLoadOptions(undefined, defaults)).toEqual({
      ttlMs: 300_000,
      graceMs: 0,
      tags: [],
      loadTimeoutMs: 30_000,
      ...loading,
      fresh: false,
      force: false,
      localTtlMs: Infinity,
      signal: undefined,
    })
  })

  test('takes what is given', () => {
    const { signal } = new AbortController()
    expect(resolveLoadOptions({ loadTimeout: '1s', fresh: true, signal }, defaults)).toMatchObject({
      loadTimeoutMs: 1_000,
      fresh: true,
      signal,
    })
  })

  test('what a call says wins over what the cache says', () => {
    const patient = { ...defaults, graceMs: 1, softTimeoutMs: 10, timeoutMs: 20, backoffMs: 30 }
    expect(resolveLoadOptions({}, patient)).toMatchObject({ softTimeoutMs: 10, timeoutMs: 20, backoffMs: 30 })
    const given = { softTimeout: null, timeout: null, backoff: 5, revalidate: 'background' } as const
    expect(resolveLoadOptions(given, patient)).toMatchObject({
      softTimeoutMs: null,
      timeoutMs: null,
      backoffMs: 5,
      revalidate: 'background',
    })
  })

  test.each<[string, object]>([
    ['revalidate', { revalidate: 'background' }],
    ['revalidate', { revalidate: 'sometimes', grace: 1 }],
    ['softTimeout', { softTimeout: 5 }],
    ['softTimeout', { softTimeout: 5, timeout: 5, grace: 1 }],
    ['softTimeout', { softTimeout: 5, revalidate: 'background', grace: 1 }],
    ['softTimeout', { softTimeout: 0 }],
    ['timeout', { timeout: -1 }],
    ['backoff', { backoff: 0 }],
    ['errorTtl', { errorTtl: 0 }],
    ['nullTtl', { nullTtl: 0 }],
    ['refreshAhead', { refreshAhead: 1 }],
    ['jitter', { jitter: -0.1 }],
    ['jitter', { jitter: 1 }],
    ['jitter', { jitter: Number.NaN }],
    ['localTtl', { localTtl: 0 }],
    ['localTtl', { localTtl: 5, local: false }],
  ])('refuses a %s that is wrong or without effect: %j', (option, options) => {
    expect(() => resolveLoadOptions(options, defaults)).toThrow(
      expect.objectContaining({ code: 'invalid-option', option }),
    )
  })

  test.each<[object, string, string]>([
    [{ tll: '5m' }, 'did you mean `ttl`?', 'did you mean `ttl`?'],
    [{ ttl: '5m', softTimout: 5 }, 'did you mean `softTimeout`?', 'expected one of ttl, grace, tags, signal'],
    [{ swr: '5m' }, 'expected one of revalidate, ', 'expected one of ttl, grace, tags, signal'],
  ])('refuses unknown names: %j', (options, whenLoading, whenSetting) => {
    const refusedWith = (advice: string): Error =>
      expect.objectContaining({ code: 'invalid-option', message: expect.stringContaining(advice) })
    expect(() => resolveLoadOptions(options, defaults)).toThrow(refusedWith(whenLoading))
    expect(() => resolveSetOptions(options, defaults)).toThrow(refusedWith(whenSetting))
  })

  test('refuses a wrong deadline', () => {
    expect(() => resolveLoadOptions({ loadTimeout: 0 }, defaults)).toThrow(refused('invalid-option'))
    expect(() => resolveLoadOptions({ loadTimeout: '30d' }, defaults)).toThrow(refused('invalid-option'))
  })

  test('refuses a deadline above that of the cache, by which the fence of loads counts', () => {
    expect(resolveLoadOptions({ loadTimeout: '30s' }, defaults).loadTimeoutMs).toBe(30_000)
    expect(() => resolveLoadOptions({ loadTimeout: '10m' }, defaults)).toThrow(
      expect.objectContaining({
        code: 'invalid-option',
        option: 'loadTimeout',
        message:
          "Expected `loadTimeout` to be at most that of the cache, 30000 ms (a call can only shorten it: raise the cache's `loadTimeout`), got `'10m'` (string)",
      }),
    )
  })
})

describe('resolveScanOptions', () => {
  test('lists everything unless told otherwise', () => {
    expect(resolveScanOptions(undefined)).toEqual({ prefix: '', tag: undefined, signal: undefined })
    expect(resolveScanOptions({ prefix: '' }).prefix).toBe('')
  })

  test('refuses a wrong prefix or tag', () => {
    expect(() => resolveScanOptions({ prefix: '\0' })).toThrow(refused('invalid-key'))
    expect(() => resolveScanOptions({ prefix: null as never })).toThrow(refused('invalid-key'))
    expect(() => resolveScanOptions({ tag: '' })).toThrow(refused('invalid-tag'))
  })
})
