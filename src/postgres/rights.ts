// What a role needs to use a cache, and the SQL that sets up two roles: one that owns and migrates the schema, and one that uses it.

import { quoteIdentifier, quoteLiteral } from '../core/identifier.ts'
import { bodyDelimiter, type Names } from './names.ts'
import { FUNCTION_NAMES, IS_OURS } from './objects.ts'

export interface Roles {
  readonly owner: string
  readonly application: string
}

type Right = 'select' | 'insert' | 'update' | 'delete' | 'usage'

/** On tables, views and sequences. What else happens to them is done by functions that run as the owner. */
export const RIGHTS: Readonly<Record<string, readonly Right[]>> = {
  entries: ['select', 'insert', 'update', 'delete'],
  leases: ['select', 'insert', 'update', 'delete'],
  // Appended by every invalidation, trimmed by the sweep.
  invalidations: ['select', 'insert', 'delete'],
  prefix_invalidations: ['select', 'insert', 'delete'],
  invalidators: ['select', 'delete'],
  feed: ['select', 'delete'],
  // The sweep moves its fences.
  state: ['select', 'update'],
  meta: ['select'],
  // Asked by a view alone, which runs as the owner.
  crash_sign: [],
  migrations: ['select'],
  settled_state: ['select'],
  fenced_entries: ['select'],
  valid_entries: ['select'],
  live_entries: ['select'],
  seq: ['usage'],
  hint_gate: [],
}

const SEQUENCES = new Set(['seq', 'hint_gate'])

/** Called by triggers alone, as the owner. */
const INTERNAL_FUNCTIONS = new Set([
  'hint',
  'tell',
  'entries_updated',
  'entries_deleted',
  'entries_truncated',
  'invalidations_appended',
  'prefix_invalidations_appended',
])

export const USED_FUNCTIONS: readonly string[] = FUNCTION_NAMES.filter(
  (name) => !INTERNAL_FUNCTIONS.has(name),
)

/** Can be run before the schema is installed, and again whenever it was upgraded. */
export function rolesSql(names: Names, roles: Roles): string {
  const owner = quoteIdentifier(roles.owner)
  const application = quoteIdentifier(roles.application)
  const schema = quoteIdentifier(names.schema)
  const body = bodyDelimiter(names.address + roles.owner + roles.application)
  const functions = (some: Iterable<string>): string =>
    [...some].map((name) => quoteLiteral(names.prefix + name)).join(', ')
  const defaults = `alter default privileges for role ${owner} in schema ${schema}`
  return `-- Two roles for a cache: one owns and migrates it, one uses it and owns nothing. Run this as a superuser, or as a role that may create roles and
-- schemas, before \`postgres-cache migrate\`, and again after it and after every upgrade. Until then the default privileges give the second role
-- more than it needs.
-- No password is set here. \\password <role> in psql sets one, and sends it hashed.
begin;
set local search_path = pg_catalog, pg_temp;

do ${body}
begin
${createRole(roles.owner)}
${createRole(roles.application)}
  -- Whoever creates and grants what is the owner's acts for it. A superuser may anyway.
  if not pg_has_role(${quoteLiteral(roles.owner)}, 'usage') then
    grant ${owner} to current_user;
  end if;
  if not exists (select from pg_namespace where nspname = ${quoteLiteral(names.schema)}) then
    create schema ${schema} authorization ${owner};
  end if;
  if exists (
    select from pg_class
    where oid = to_regclass(${quoteLiteral(names.object('migrations'))}) and relowner <> ${quoteLiteral(owner)}::regrole
  ) then
    raise exception 'postgres-cache: another role has installed the schema: name it with --owner, or drop the schema first';
  end if;
  execute format('grant connect on database %I to %s, %s', current_database(), ${quoteLiteral(owner)}, ${quoteLiteral(application)});
end
${body};

grant usage, create on schema ${schema} to ${owner};
grant usage on schema ${schema} to ${application};

-- For what later migrations create.
${defaults} grant select, insert, update, delete on tables to ${application};
${defaults} grant usage on sequences to ${application};
${defaults} grant execute on functions to ${application};

-- For what is there: this and nothing else.
do ${body}
declare
  v_object text;
  v_rights text;
begin
  for v_object, v_rights in
    select o.kind || ' ' || o.name, o.rights
    from (
      values
        ${Object.keys(RIGHTS)
          .map((name) => describeRights(name, names))
          .join(',\n        ')}
    ) as o (kind, name, rights)
    where to_regclass(o.name) is not null
    union all
    select 'function ' || p.oid::regprocedure, case when p.proname not in (${functions(INTERNAL_FUNCTIONS)}) then 'execute' end
    from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
    where n.nspname = ${quoteLiteral(names.schema)} and ${IS_OURS}
      and p.proname in (
        ${functions(FUNCTION_NAMES)}
      )
  loop
    execute format('revoke all on %s from %s', v_object, ${quoteLiteral(application)});
    if v_rights is not null then
      execute format('grant %s on %s to %s', v_rights, v_object, ${quoteLiteral(application)});
    end if;
  end loop;
end
${body};

commit;
`
}

const createRole = (role: string): string => `\
  if not exists (select from pg_roles where rolname = ${quoteLiteral(role)}) then
    create role ${quoteIdentifier(role)} login;
  end if;`

function describeRights(name: string, names: Names): string {
  const kind = SEQUENCES.has(name) ? 'sequence' : 'table'
  const rights = RIGHTS[name]?.join(', ') ?? ''
  return `('${kind}', ${quoteLiteral(names.object(name))}, ${rights === '' ? 'null' : quoteLiteral(rights)})`
}
