// What to tell whoever finds no schema, or may not change it: the command for this schema and prefix, and who can grant what is lacking.

import { CacheError } from '../core/errors.ts'
import { quoteLiteral } from '../core/identifier.ts'
import { DEFAULT_SCHEMA } from '../options.ts'
import type { Driver, Row } from './driver.ts'
import { sqlStateOf, toCacheError } from './failures.ts'
import type { Names } from './names.ts'

type CommandName = 'migrate' | 'drop' | 'prune' | 'sql --roles'

/** Without the flags of schema and prefix the command would be about another cache. */
export function commandFor({ schema, prefix }: Pick<Names, 'schema' | 'prefix'>, name: CommandName): string {
  const flags = [
    ...(schema === DEFAULT_SCHEMA ? [] : [flag('--schema', schema)]),
    ...(prefix === '' ? [] : [flag('--prefix', prefix)]),
  ]
  return ['npx postgres-cache', name, ...flags].join(' ')
}

// For a POSIX shell. A value that begins with a dash would be taken for a flag.
function flag(name: string, value: string): string {
  if (/^\w[\w.-]*$/.test(value)) return `${name} ${value}`
  return `${name}='${value.replaceAll("'", String.raw`'\''`)}'`
}

export function schemaMissing(names: Names, otherwise: string): CacheError {
  const what = names.prefix === '' ? 'nothing' : `nothing with the prefix ${names.prefix}`
  return new CacheError(
    'schema-missing',
    `${what} is installed in schema ${names.schema}: run \`${commandFor(names, 'migrate')}\`${otherwise}`,
  )
}

/** Asks the server who could grant what is lacking: after the transaction that failed, because nothing else can be asked in it. */
export async function explainRefusal(
  error: unknown,
  driver: Driver,
  names: Names,
  operation: CommandName,
): Promise<CacheError> {
  if (error instanceof CacheError || sqlStateOf(error) !== '42501') return toCacheError(error, operation)
  const row = await readStanding(driver, names)
  const [role = 'the role'] = row
  return new CacheError(
    'permission-denied',
    `${role} may not ${operation} the schema ${names.schema} (${(error as Error).message}): ${adviseOn(row, names, operation)}`,
    { cause: error },
  )
}

/** Empty where the server cannot be asked any more: it has refused all the same. */
async function readStanding(driver: Driver, names: Names): Promise<Row> {
  try {
    return (await driver.query({ name: '', text: standing(names) }))[0] ?? []
  } catch {
    return []
  }
}

function adviseOn(row: Row, names: Names, operation: CommandName): string {
  const command = `\`${commandFor(names, operation)}\``
  const [role, tablesOwner, schemaOwner, schema, databaseOwner, database] = row
  // Not by becoming a member: what this role then created would be its own, and the owner could not change it any more.
  if (tablesOwner != null) return `let ${tablesOwner}, who owns it, run ${command}`
  if (operation === 'migrate' && schemaOwner != null)
    return `let ${orAdministrator(schemaOwner, 'it')} run either \`grant usage, create on schema ${schema} to ${role}\` or ${command}`
  if (operation === 'migrate' && databaseOwner != null)
    return `let ${orAdministrator(databaseOwner, 'the database')} run either \`grant create on database ${database} to ${role}\` or ${command}`
  return `let the role that installed it run ${command}`
}

/** Nobody can log in as pg_database_owner, which owns `public`. */
function orAdministrator(owner: string, what: string): string {
  return owner.startsWith('pg_') ? 'an administrator' : `${owner}, who owns ${what}, or an administrator`
}

// An owner is told only where something is lacking that it could do or grant. Quoted, for the commands.
const standing = ({ schema, prefix }: Names): string => `
select quote_ident(current_user),
  (
    select quote_ident(pg_get_userbyid(c.relowner)) from pg_class as c
    where c.relnamespace = n.oid and c.relname = ${quoteLiteral(`${prefix}migrations`)} and not pg_has_role(c.relowner, 'usage')
  ),
  case when not has_schema_privilege(n.oid, 'create') or not has_schema_privilege(n.oid, 'usage')
    then quote_ident(pg_get_userbyid(n.nspowner)) end,
  quote_ident(n.nspname),
  case when n.oid is null then quote_ident(pg_get_userbyid(d.datdba)) end,
  quote_ident(d.datname)
from pg_database as d left join pg_namespace as n on n.nspname = ${quoteLiteral(schema)}
where d.datname = current_database()`
