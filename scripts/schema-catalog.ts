// Reads the definition of a schema back from PostgreSQL's catalogs, as SQL text in a stable order: what pg_dump would
// tell, without pg_dump. Each query yields one column, a statement a row.

import type { Client } from 'pg'

const SCHEMA = `
select format('create schema %I;', $1::text)`

const SEQUENCES = `
select format(
  'create %ssequence %s as %s start %s increment %s minvalue %s maxvalue %s cache %s%s;',
  case c.relpersistence when 'u' then 'unlogged ' else '' end, c.oid::regclass, format_type(s.seqtypid, null),
  s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, case when s.seqcycle then ' cycle' else '' end
)
from pg_class as c
join pg_sequence as s on s.seqrelid = c.oid
where c.relnamespace = $1::text::regnamespace
order by c.relname`

const TABLES = `
select format(
  e'create %stable %s (\\n%s\\n)%s;',
  case c.relpersistence when 'u' then 'unlogged ' else '' end, c.oid::regclass, string_agg(a.definition, e',\\n' order by a.attnum),
  e' with (\\n  ' || array_to_string(c.reloptions, e',\\n  ') || e'\\n)'
)
from pg_class as c
cross join lateral (
  select a.attnum, concat_ws(' ',
    format('  %I %s', a.attname, format_type(a.atttypid, a.atttypmod)),
    case when a.attstorage <> t.typstorage
      then 'storage ' || case a.attstorage when 'p' then 'plain' when 'e' then 'external' when 'm' then 'main' else 'extended' end
    end,
    case a.attcompression when 'l' then 'compression lz4' when 'p' then 'compression pglz' end,
    case when a.attcollation <> t.typcollation then 'collate ' || a.attcollation::regcollation end,
    case when a.attnotnull then 'not null' end,
    case when a.attidentity <> '' then 'generated as identity' end,
    case when a.attgenerated = '' then 'default ' || pg_get_expr(d.adbin, d.adrelid)
      else 'generated always as (' || pg_get_expr(d.adbin, d.adrelid) || ')'
    end
  ) as definition
  from pg_attribute as a
  join pg_type as t on t.oid = a.atttypid
  left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
) as a
where c.relnamespace = $1::text::regnamespace and c.relkind = 'r'
group by c.oid, c.relname, c.relpersistence, c.reloptions
order by c.relname`

const CONSTRAINTS = `
select format('alter table %s add constraint %I %s;', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid))
from pg_constraint as k
join pg_class as c on c.oid = k.conrelid
where k.connamespace = $1::text::regnamespace and k.contype in ('c', 'f', 'p', 'u', 'x')
order by c.relname, k.contype, k.conname`

const INDEXES = `
select pg_get_indexdef(i.indexrelid) || ';'
from pg_index as i
join pg_class as c on c.oid = i.indexrelid
where c.relnamespace = $1::text::regnamespace and not exists (select from pg_constraint as k where k.conindid = c.oid)
order by c.relname`

const FUNCTIONS = `
select rtrim(pg_get_functiondef(p.oid), e'\\n') || ';'
from pg_proc as p
where p.pronamespace = $1::text::regnamespace
order by p.proname, pg_get_function_identity_arguments(p.oid)`

const VIEWS = `
select format(e'create view %s%s as\\n%s', c.oid::regclass, ' with (' || array_to_string(c.reloptions, ', ') || ')', pg_get_viewdef(c.oid))
from pg_class as c
where c.relnamespace = $1::text::regnamespace and c.relkind = 'v'
order by c.relname`

const TRIGGERS = `
select pg_get_triggerdef(t.oid) || case t.tgenabled when 'O' then '' else ' /* enabled: ' || t.tgenabled::text || ' */' end || ';'
from pg_trigger as t
join pg_class as c on c.oid = t.tgrelid
where c.relnamespace = $1::text::regnamespace and not t.tgisinternal
order by c.relname, t.tgname`

// An object without an access control list has the rights that PostgreSQL gives by default.
const GRANTS = `
with object (kind, name, owner, acl) as (
  select 'schema', quote_ident(nspname), nspowner, nspacl from pg_namespace where nspname = $1
  union all
  select case relkind when 'S' then 'sequence' else 'table' end, oid::regclass::text, relowner, relacl
  from pg_class where relnamespace = $1::text::regnamespace
  union all
  select 'function', oid::regprocedure::text, proowner, proacl from pg_proc where pronamespace = $1::text::regnamespace
)
select concat_ws(e'\\n', format('revoke all on %s %s from public;', o.kind, o.name), granted.statements)
from object as o
cross join lateral (
  select string_agg(g.statement, e'\\n' order by g.statement) as statements
  from (
    select format(
      'grant %s on %s %s to %s;', lower(string_agg(a.privilege_type, ', ' order by a.privilege_type)), o.kind, o.name,
      case a.grantee when 0 then 'public' else a.grantee::regrole::text end
    ) as statement
    from aclexplode(o.acl) as a
    where a.grantee <> o.owner
    group by a.grantee
  ) as g
) as granted
where o.acl is not null
order by o.kind, o.name`

const COMMENTS = `
select format('comment on %s %s is %L;', regexp_replace(o.type, '.* column', 'column'), o.identity, d.description)
from pg_description as d
cross join lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) as o
where o.schema = $1 or o.identity = quote_ident($1)
order by o.type, o.identity`

// What none of the queries above would show.
const UNKNOWN = `
select format('%s (relation of kind %s)', oid::regclass, relkind)
from pg_class where relnamespace = $1::text::regnamespace and relkind not in ('r', 'i', 'S', 't', 'v')
union all
select format('%s (type)', oid::regtype)
from pg_type where typnamespace = $1::text::regnamespace and typtype in ('d', 'e', 'r', 'm')
union all
select format('%s (statistics)', stxname) from pg_statistic_ext where stxnamespace = $1::text::regnamespace
union all
select format('%s (policy)', p.polname)
from pg_policy as p join pg_class as c on c.oid = p.polrelid where c.relnamespace = $1::text::regnamespace`

const SECTIONS = [
  SCHEMA,
  SEQUENCES,
  TABLES,
  CONSTRAINTS,
  INDEXES,
  FUNCTIONS,
  VIEWS,
  TRIGGERS,
  GRANTS,
  COMMENTS,
]

export async function describeSchema(client: Client, schema: string): Promise<string> {
  // Nothing in the search path: every name comes out qualified.
  await client.query(`set search_path to ''`)
  const read = async (sql: string): Promise<string[]> => {
    const { rows } = await client.query<[string]>({ text: sql, values: [schema], rowMode: 'array' })
    return rows.map(([statement]) => statement)
  }
  const unknown = await read(UNKNOWN)
  if (unknown.length > 0) throw new Error(`the description of a schema cannot show ${unknown.join(', ')}`)

  const statements: string[] = []
  for (const section of SECTIONS) statements.push(...(await read(section)))
  return statements.join('\n\n')
}
