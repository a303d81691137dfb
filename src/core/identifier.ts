// SQL identifiers and literals. The only place that turns a name into SQL text, and the prefix of a listing; other values travel as parameters.

import { CacheError } from './errors.ts'
import { expected } from './expected.ts'

/** NAMEDATALEN - 1: PostgreSQL silently cuts a longer name, and two caches would meet in one table. */
export const MAX_IDENTIFIER_BYTES = 63

/** The longest name of ours that follows `schemaPrefix`, with some room for later objects. */
export const MAX_OBJECT_SUFFIX_BYTES = 40

export function quoteIdentifier(name: string): string {
  return `"${withoutNul(name).replaceAll('"', '""')}"`
}

/** Safe under either setting of standard_conforming_strings. */
export function quoteLiteral(text: string): string {
  const quoted = `'${withoutNul(text).replaceAll("'", "''")}'`
  return quoted.includes('\\') ? `E${quoted.replaceAll('\\', '\\\\')}` : quoted
}

export function assertIdentifier(name: unknown, option: string): asserts name is string {
  if (typeof name === 'string' && name !== '' && isIdentifier(name, MAX_IDENTIFIER_BYTES)) return
  refuse(name, option, `a non-empty, well-formed string without NUL of at most ${MAX_IDENTIFIER_BYTES} bytes`)
}

/** May be empty, and leaves room for the names it is put in front of. */
export function assertIdentifierPrefix(prefix: unknown, option: string): asserts prefix is string {
  const limit = MAX_IDENTIFIER_BYTES - MAX_OBJECT_SUFFIX_BYTES
  if (typeof prefix === 'string' && isIdentifier(prefix, limit)) return
  refuse(prefix, option, `a well-formed string without NUL of at most ${limit} bytes`)
}

function isIdentifier(name: string, maxBytes: number): boolean {
  return name.isWellFormed() && !name.includes('\0') && Buffer.byteLength(name) <= maxBytes
}

function refuse(name: unknown, option: string, rule: string): never {
  throw new CacheError('invalid-option', expected(option, rule, name), { option })
}

// NUL ends a string in the wire protocol: what follows it would be read as another message field.
function withoutNul(text: string): string {
  if (!text.includes('\0')) return text
  throw new CacheError('invalid-option', 'Expected SQL text without NUL')
}
