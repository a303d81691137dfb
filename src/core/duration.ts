// Durations as callers write them, turned into whole milliseconds.

import { CacheError } from './errors.ts'
import { expected } from './expected.ts'

/** A number of milliseconds, or a number with a unit: `'300ms'`, `'30s'`, `'5m'`, `'2h'`, `'7d'`, `'1w'`. */
export type Duration =
  | number
  | `${number}ms`
  | `${number}s`
  | `${number}m`
  | `${number}h`
  | `${number}d`
  | `${number}w`

type DurationErrorCode = 'invalid-ttl' | 'invalid-option'

const MS_PER_UNIT: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

const WRITTEN = /^(\d+(?:\.\d+)?)(ms|[smhdw])$/

/** A hundred years. What is longer is a slip of units (microseconds, a timestamp); `null` means for ever. */
export const MAX_DURATION_MS: number = 36_525 * 86_400_000

const MAX_TIMER_MS = 24 * 86_400_000 // setTimeout holds 31 bits of milliseconds, and fires at once for more

const RULE = "a positive duration such as '5m' or a number of milliseconds"

/** Whole milliseconds, at least 1. Throws `code` for anything that is not a positive duration up to 100 years. */
export function parseDuration(
  input: unknown,
  option: string,
  code: DurationErrorCode = 'invalid-option',
): number {
  return parse(input, option, code, RULE)
}

/** A duration that a timer waits for, at least `minMs`. */
export function parseTimeout(input: unknown, option: string, minMs = 1): number {
  const ms = parseDuration(input, option)
  if (ms >= minMs && ms <= MAX_TIMER_MS) return ms
  const rule = `a duration from ${minMs} milliseconds to 24 days`
  throw new CacheError('invalid-option', expected(option, rule, input), { option })
}

/** As {@link parseDuration}, and `null` stays `null`: no expiry. */
export function parseTtl(
  input: unknown,
  option: string,
  code: DurationErrorCode = 'invalid-ttl',
): number | null {
  if (input === null) return null
  return parse(input, option, code, `${RULE}, or null for no expiry`)
}

function parse(input: unknown, option: string, code: DurationErrorCode, rule: string): number {
  const ms = toMs(input)
  if (!(ms > 0)) throw new CacheError(code, expected(option, rule, input), { option })
  if (ms > MAX_DURATION_MS) {
    throw new CacheError(code, expected(option, `${rule}, of at most 100 years`, input), { option })
  }
  return Math.max(1, Math.round(ms))
}

/** NaN for what is not a duration at all. */
function toMs(input: unknown): number {
  if (typeof input === 'number') return input
  if (typeof input !== 'string') return Number.NaN
  // A program has few durations and gives them with every call.
  if (input !== lastRead.text) lastRead = { text: input, ms: read(input) }
  return lastRead.ms
}

let lastRead = { text: '', ms: Number.NaN }

function read(text: string): number {
  const [, amount, unit] = WRITTEN.exec(text) ?? []
  if (amount === undefined || unit === undefined) return Number.NaN
  return Number(amount) * (MS_PER_UNIT[unit] ?? Number.NaN)
}
