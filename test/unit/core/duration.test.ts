import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_DURATION_MS, parseDuration, parseTimeout, parseTtl } from '../../../src/core/duration.ts'

const MS_PER_UNIT = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

describe('parseDuration', () => {
  test.each([
    [1, 1],
    [1_500, 1_500],
    ['300ms', 300],
    ['30s', 30_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
    ['1w', 604_800_000],
    ['1.5h', 5_400_000],
    ['0.5s', 500],
    [MAX_DURATION_MS, MAX_DURATION_MS],
    ['36525d', MAX_DURATION_MS],
  ])('reads %j as %d ms', (input, ms) => {
    expect(parseDuration(input, 'ttl')).toBe(ms)
  })

  test.each([
    0,
    -1,
    -0,
    Number.NaN,
    Infinity,
    -Infinity,
    MAX_DURATION_MS + 1,
    Date.now() * 1_000,
    5n,
    true,
    '',
    '5',
    'm',
    '0s',
    '-5m',
    '+5m',
    '5 m',
    ' 5m',
    '5m ',
    '5M',
    '5min',
    '1e3ms',
    '0x10s',
    '.5s',
    '5.s',
    '1,5h',
    'Infinitys',
    'NaNms',
    '36526d',
    '٥m',
    '5m\n',
    null,
    undefined,
    [],
    ['5m'],
    {},
    new Date(0),
    () => '5m',
  ])('refuses %o', (input) => {
    expect(() => parseDuration(input, 'grace', 'invalid-ttl')).toThrow(
      expect.objectContaining({ name: 'CacheError', code: 'invalid-ttl', option: 'grace' }),
    )
  })

  test('is about an option unless told that it is about a ttl', () => {
    expect(() => parseDuration(0, 'queryTimeout')).toThrow(
      expect.objectContaining({ code: 'invalid-option' }),
    )
  })

  test('says which option, what it expects and what it got', () => {
    expect(() => parseDuration('5 minutes', 'queryTimeout')).toThrow(
      "Expected `queryTimeout` to be a positive duration such as '5m' or a number of milliseconds, got `'5 minutes'` (string)",
    )
    expect(() => parseDuration('101w', 'x')).not.toThrow()
    expect(() => parseDuration('5219w', 'x')).toThrow('at most 100 years')
  })

  test('a number of milliseconds is that many, to the nearest and never to zero', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, minExcluded: true, max: MAX_DURATION_MS, noNaN: true }), (ms) => {
        const parsed = parseDuration(ms, 'ttl')
        expect(Number.isSafeInteger(parsed)).toBe(true)
        expect(parsed).toBeGreaterThanOrEqual(1)
        expect(Math.abs(parsed - ms)).toBeLessThanOrEqual(ms < 0.5 ? 1 : 0.5)
      }),
    )
  })

  test('a whole number with a unit is that many units', () => {
    const unit = fc.constantFrom('ms', 's', 'm', 'h', 'd', 'w')
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), unit, (amount, name) => {
        expect(parseDuration(`${amount}${name}`, 'ttl')).toBe(amount * MS_PER_UNIT[name])
      }),
    )
  })

  test('whatever it is given, it returns whole positive milliseconds or throws a CacheError', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withNullPrototype: true }), (input) => {
        try {
          const ms = parseDuration(input, 'ttl')
          expect(ms > 0 && ms <= MAX_DURATION_MS && Number.isInteger(ms)).toBe(true)
        } catch (error) {
          expect(error).toMatchObject({ name: 'CacheError', code: 'invalid-option', option: 'ttl' })
        }
      }),
    )
  })
})

describe('parseTtl', () => {
  test('keeps null: no expiry', () => {
    expect(parseTtl(null, 'ttl')).toBe(null)
  })

  test('reads durations', () => {
    expect(parseTtl('5m', 'ttl')).toBe(300_000)
  })

  test('names null as the way to say "never"', () => {
    expect(() => parseTtl(0, 'ttl')).toThrow(
      expect.objectContaining({
        code: 'invalid-ttl',
        message:
          "Expected `ttl` to be a positive duration such as '5m' or a number of milliseconds, or null for no expiry, got `0` (number)",
      }),
    )
  })
})

describe('parseTimeout', () => {
  test('refuses what a timer cannot wait for', () => {
    expect(parseTimeout('24d', 'loadTimeout')).toBe(24 * 86_400_000)
    expect(() => parseTimeout('25d', 'loadTimeout')).toThrow(
      "Expected `loadTimeout` to be a duration from 1 milliseconds to 24 days, got `'25d'` (string)",
    )
  })

  test('refuses less than the given minimum', () => {
    expect(parseTimeout(100, 'maxStaleness', 100)).toBe(100)
    expect(() => parseTimeout(99, 'maxStaleness', 100)).toThrow(
      expect.objectContaining({ code: 'invalid-option', option: 'maxStaleness' }),
    )
  })
})
