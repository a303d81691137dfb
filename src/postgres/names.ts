// Names of everything in the schema, and the rendering of SQL files. The only value that SQL text is built from is the prefix of a listing.

import { quoteIdentifier, quoteLiteral } from '../core/identifier.ts'
import { hashKey } from '../core/key.ts'

export interface Names {
  readonly schema: string
  readonly prefix: string
  /** "schema.prefix": tells the caches of one database apart, in notifications and in lock classes. */
  readonly address: string
  /** The same for people. */
  readonly label: string
  /** First key of the advisory lock of a load; the second is the hash of the key. */
  readonly loadClass: number
  /** First key of the lock that says "somebody waits for this load". */
  readonly waitClass: number
  /** Quoted and qualified. */
  readonly object: (name: string) => string
}

export function createNames({ schema, prefix }: { schema: string; prefix: string }): Names {
  const address = `${schema}.${prefix}`
  return {
    schema,
    prefix,
    address,
    label: prefix === '' ? schema : address,
    loadClass: hashKey(`load ${address}`),
    waitClass: hashKey(`wait ${address}`),
    object: (name) => `${quoteIdentifier(schema)}.${quoteIdentifier(prefix + name)}`,
  }
}

/** Fills the placeholders of a file under sql/; its first comment explains them. */
export function renderSql(sql: string, names: Names, durability: 'unlogged' | 'logged'): string {
  // Before any name is filled in: a name may hold what ends a function body. Comments stay as they are: a name may hold
  // what ends a line.
  return sql
    .replaceAll('$$', () => bodyDelimiter(names.address))
    .replace(
      /--.*|'\{\{(?<quoted>[a-z_]+)\}\}'|\{\{(?:(?<kind>name|literal):)?(?<bare>[a-z_]+)\}\}/g,
      (match, quoted: string | undefined, kind: string | undefined, bare: string | undefined) => {
        if (quoted !== undefined) return quoteLiteral(fill(quoted, names, durability))
        if (bare === undefined) return match
        if (kind === 'name') return quoteIdentifier(names.prefix + bare)
        if (kind === 'literal')
          return quoteLiteral({ schema: names.schema, durability }[bare] ?? names.address)
        return fill(bare, names, durability)
      },
    )
}

function fill(placeholder: string, names: Names, durability: 'unlogged' | 'logged'): string {
  if (placeholder === 'schema') return quoteIdentifier(names.schema)
  if (placeholder === 'persistence') return durability === 'unlogged' ? 'unlogged' : ''
  return names.object(placeholder)
}

/** For a body with these names in it. A schema may be called `a$$b`: its name must not end the body. */
export function bodyDelimiter(names: string): string {
  let delimiter = '$body$'
  for (let i = 0; names.includes(delimiter.slice(1, -1)); i++) delimiter = `$body${i}$`
  return delimiter
}
