// What may be a key, a prefix of keys, or a tag: checked here before the database sees it, so that one bad
// string never fails the batch its neighbours travel in.

import { CacheError } from './errors.ts'
import { expected } from './expected.ts'

/** In UTF-8. The key is the primary key: a b-tree row must stay below a third of a page (2,704 bytes). */
export const MAX_KEY_BYTES = 1024

/** Per entry. Every read probes the invalidations of each tag. */
export const MAX_TAGS = 64

const MAX_UTF8_BYTES_PER_UNIT = 3 // a UTF-16 unit takes at most 3 bytes; surrogate pairs take 4 for two units

const NO_TAGS: readonly string[] = Object.freeze([])

export function assertKey(key: unknown): asserts key is string {
  if (typeof key === 'string' && key !== '' && isStorable(key)) return
  throw new CacheError('invalid-key', refusal('key', 'non-empty', key), keyDetails(key))
}

export function assertKeys(keys: unknown): asserts keys is readonly string[] {
  if (!Array.isArray(keys)) throw new CacheError('invalid-key', expected('keys', 'an array of strings', keys))
  for (const key of keys as readonly unknown[]) assertKey(key)
}

/** A prefix of keys. The empty one means every key, so it has to be allowed by name. */
export function assertPrefix(
  prefix: unknown,
  empty: 'refused' | 'allowed' = 'refused',
): asserts prefix is string {
  if (prefix === '' && empty === 'refused') {
    throw new CacheError(
      'invalid-key',
      'Expected `prefix` to be a non-empty string; clear() removes every key',
    )
  }
  if (typeof prefix === 'string' && isStorable(prefix)) return
  throw new CacheError(
    'invalid-key',
    refusal('prefix', empty === 'refused' ? 'non-empty' : 'possibly empty', prefix),
  )
}

export function assertTag(tag: unknown): asserts tag is string {
  if (typeof tag === 'string' && tag !== '' && isStorable(tag)) return
  throw new CacheError('invalid-tag', refusal('tag', 'non-empty', tag))
}

/** The tags without repetitions, in the order given. */
export function assertTags(tags: unknown): readonly string[] {
  if (!Array.isArray(tags)) throw new CacheError('invalid-tag', expected('tags', 'an array of strings', tags))
  if (tags.length === 0) return NO_TAGS
  const distinct = new Set<string>()
  for (const tag of tags as readonly unknown[]) {
    assertTag(tag)
    distinct.add(tag)
  }
  if (distinct.size > MAX_TAGS) {
    throw new CacheError(
      'invalid-tag',
      `Expected \`tags\` to hold at most ${MAX_TAGS} tags, got ${distinct.size}`,
    )
  }
  return [...distinct]
}

/**
 * A signed 32-bit hash, the same in every process and release: it names the advisory lock of a key.
 * FNV-1a over UTF-16 units, then the finaliser of MurmurHash3, because FNV alone spreads short keys badly.
 */
export function hashKey(key: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i += 1) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

// PostgreSQL's text holds neither NUL nor an unpaired surrogate. Counting bytes is left to keys that might be too long.
function isStorable(text: string): boolean {
  if (text.length > MAX_KEY_BYTES || !text.isWellFormed() || text.includes('\0')) return false
  return text.length * MAX_UTF8_BYTES_PER_UNIT <= MAX_KEY_BYTES || Buffer.byteLength(text) <= MAX_KEY_BYTES
}

function refusal(name: string, emptiness: string, given: unknown): string {
  const rule = `a ${emptiness}, well-formed string without NUL of at most ${MAX_KEY_BYTES} bytes in UTF-8`
  const bytes = typeof given === 'string' ? Buffer.byteLength(given) : 0
  const size = bytes > MAX_KEY_BYTES ? ` of ${bytes} bytes: put a hash in the place of what is long` : ''
  return expected(name, rule, given) + size
}

function keyDetails(key: unknown): { key?: string } {
  return typeof key === 'string' ? { key } : {}
}
