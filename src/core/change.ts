// What one transaction changed, and the notifications that may tell of it. A hint is only ever about latency: the feed
// holds the truth, so an unreadable hint means "sync", and a forged one can at worst evict.

import type { Version } from './entry.ts'

/** Keys and tags are exact; an empty prefix covers everything. */
export interface Change {
  readonly version: Version
  readonly keys: readonly string[]
  readonly tags: readonly string[]
  readonly keyPrefixes: readonly string[]
  readonly tagPrefixes: readonly string[]
}

/** `shutMs`: for so long no other change or sync is hinted at. */
export type Hint =
  | { readonly kind: 'change'; readonly change: Change; readonly shutMs: number }
  /** More changed than fits into a payload. */
  | { readonly kind: 'sync'; readonly shutMs: number }
  /** Loads of the keys with these hashes have finished. */
  | { readonly kind: 'signal'; readonly hashes: readonly number[] }
  /** A session's own question whether notifications arrive at all. */
  | { readonly kind: 'nonce'; readonly nonce: string }
  /** Malformed, or from a newer release. */
  | { readonly kind: 'unknown'; readonly reason: string }

/** The `v` of every payload. A release that changes a meaning counts it up, and older listeners sync instead. */
const HINT_FORMAT = 1
/** For how long the gate of sql/0002_changes.sql is shut where a hint does not say, or cannot be read. */
export const USUAL_SHUT_MS = 20
// Well above what sql/0002_changes.sql ever says: a forged hint must not keep a sync waiting.
const MAX_SHUT_MS = 1_000

/**
 * Reads a payload: JSON with the sender's address `a` ("schema.prefix"), the format `v`, and one of
 * a change (`x` transaction id, `k` keys, `t` tags, `kp` and `tp` prefixes), a sync (`s`: 1), a signal (`l`: hashes)
 * or a nonce (`n`). The first two say for how many milliseconds no other will be sent (`g`), unless it is 20. Null: meant for another cache on the same channel. Never throws.
 */
export function parseHint(payload: string, address: string): Hint | null {
  const fields = parseObject(payload)
  if (fields === undefined || typeof fields.a !== 'string') return unknown('not a hint')
  if (fields.a !== address) return null
  if (fields.v !== HINT_FORMAT) return unknown('another format')
  return parseKind(fields) ?? unknown('malformed')
}

function parseKind(fields: Fields): Hint | undefined {
  if (fields.x !== undefined) return parseChange(fields)
  if (fields.l !== undefined)
    return isListOf(fields.l, isInt32) ? { kind: 'signal', hashes: fields.l } : undefined
  if (fields.n !== undefined) return isString(fields.n) ? { kind: 'nonce', nonce: fields.n } : undefined
  return parseSync(fields)
}

function parseSync({ s, g: shutMs = USUAL_SHUT_MS }: Fields): Hint | undefined {
  return s === 1 && isShutMs(shutMs) ? { kind: 'sync', shutMs } : undefined
}

function parseChange({
  x: version,
  g: shutMs = USUAL_SHUT_MS,
  k = [],
  t = [],
  kp = [],
  tp = [],
}: Fields): Hint | undefined {
  if (!isShutMs(shutMs)) return undefined
  if (!isString(version) || !/^\d{1,20}$/.test(version)) return undefined
  if (!isListOf(k, isString) || !isListOf(t, isString)) return undefined
  if (!isListOf(kp, isString) || !isListOf(tp, isString)) return undefined
  return { kind: 'change', change: { version, keys: k, tags: t, keyPrefixes: kp, tagPrefixes: tp }, shutMs }
}

type Fields = Partial<Record<'a' | 'v' | 'g' | 'x' | 'k' | 't' | 'kp' | 'tp' | 's' | 'l' | 'n', unknown>>

function parseObject(payload: string): Fields | undefined {
  try {
    const parsed: unknown = JSON.parse(payload)
    return typeof parsed === 'object' && parsed !== null ? parsed : undefined
  } catch {
    return undefined
  }
}

function unknown(reason: string): Hint {
  return { kind: 'unknown', reason }
}

function isListOf<T>(list: unknown, isItem: (item: unknown) => item is T): list is readonly T[] {
  return Array.isArray(list) && list.every(isItem)
}

function isShutMs(value: unknown): value is number {
  return isInt32(value) && value >= 0 && value <= MAX_SHUT_MS
}

function isString(value: unknown): value is string {
  return typeof value === 'string'
}

function isInt32(value: unknown): value is number {
  return typeof value === 'number' && (value | 0) === value
}
