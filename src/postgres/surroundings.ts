// What the server, its settings and its other users mean for a cache, read in one statement that changes nothing.

import { quoteLiteral } from '../core/identifier.ts'
import type { Driver } from './driver.ts'
import type { Names } from './names.ts'
import { IS_OURS } from './objects.ts'
import { RIGHTS, USED_FUNCTIONS } from './rights.ts'

export interface Surroundings {
  /** As server_version_num. */
  readonly server: number
  readonly inRecovery: boolean
  readonly role: string
  /** To create the schema, or what is in it. */
  readonly mayInstall: boolean
  /** What the role may not do with objects that are there, as "insert on entries". */
  readonly missingRights: readonly string[]
  readonly isReadOnly: boolean
  readonly isolation: string
  readonly hasFsync: boolean
  readonly autovacuum: boolean
  /** Milliseconds; 0: none. */
  readonly idleSessionTimeout: number
  readonly maxConnections: number
  readonly usedConnections: number
  readonly maxLocks: number
  readonly maxPreparedTransactions: number
  readonly pendingPreparedTransactions: number
  /** From 0 to 1. */
  readonly notificationQueueUsage: number
  /** As far as the role may see them: in a transaction, and doing nothing for longer than a minute. */
  readonly idleTransactions: readonly { readonly pid: number; readonly application: string }[]
}

export async function readSurroundings(driver: Driver, names: Names): Promise<Surroundings> {
  const [row] = await driver.query({ name: '', text: look(names) })
  return JSON.parse(row?.[0] ?? '{}') as Surroundings
}

/** Milliseconds since 1970. */
export async function readClock(driver: Driver): Promise<number> {
  const text = `select date_part('epoch', clock_timestamp()) * 1000::float8`
  const [row] = await driver.query({ name: '', text })
  return Number(row?.[0])
}

const look = ({ schema, prefix }: Names): string => `
with
objects as (
  select c.oid, c.relname, c.relkind, o.rights
  from pg_class as c
  join pg_namespace as n on n.oid = c.relnamespace
  join (values ${Object.entries(RIGHTS).map(describeRights).join(', ')}) as o (name, rights)
    on c.relname::text = ${quoteLiteral(prefix)}::text || o.name
  where n.nspname = ${quoteLiteral(schema)}
),
missing as (
  select 'usage on schema ' || n.nspname::text as what from pg_namespace as n
  where n.nspname = ${quoteLiteral(schema)} and not has_schema_privilege(n.oid, 'usage')
  union all
  select r.name || ' on ' || o.relname::text
  from objects as o cross join pg_catalog.unnest(o.rights) as r (name)
  where case o.relkind when 'S' then not has_sequence_privilege(o.oid, r.name) else not has_table_privilege(o.oid, r.name) end
  union all
  select 'execute on ' || p.proname::text from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
  where n.nspname = ${quoteLiteral(schema)} and ${IS_OURS} and not has_function_privilege(p.oid, 'execute')
    and p.proname in (${USED_FUNCTIONS.map((name) => quoteLiteral(prefix + name)).join(', ')})
)
select pg_catalog.json_build_object(
  'server', current_setting('server_version_num')::integer,
  'inRecovery', pg_is_in_recovery(),
  'role', current_user,
  'mayInstall', coalesce(
    (select has_schema_privilege(n.oid, 'create') from pg_namespace as n where n.nspname = ${quoteLiteral(schema)}),
    has_database_privilege(current_database(), 'create')
  ),
  'missingRights', (select coalesce(pg_catalog.json_agg(m.what order by m.what), '[]') from missing as m),
  'isReadOnly', current_setting('transaction_read_only')::boolean,
  'isolation', current_setting('default_transaction_isolation'),
  'hasFsync', current_setting('fsync')::boolean,
  'autovacuum', current_setting('autovacuum')::boolean and current_setting('track_counts')::boolean,
  'idleSessionTimeout', (select s.setting::bigint from pg_settings as s where s.name = 'idle_session_timeout'),
  'maxConnections', current_setting('max_connections')::integer,
  'usedConnections', (select coalesce(sum(d.numbackends), 0) from pg_stat_database as d),
  'maxLocks', current_setting('max_locks_per_transaction')::bigint
    * (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint),
  'maxPreparedTransactions', current_setting('max_prepared_transactions')::integer,
  'pendingPreparedTransactions', (select count(*) from pg_prepared_xacts as p where p.database = current_database()),
  'notificationQueueUsage', pg_notification_queue_usage(),
  'idleTransactions', (
    select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('pid', a.pid, 'application', a.application_name) order by a.pid), '[]')
    from pg_stat_activity as a
    where a.state like 'idle in transaction%' and a.state_change < clock_timestamp() - interval '1 minute'
  )
)::text`

function describeRights([name, rights]: [string, readonly string[]]): string {
  return `(${quoteLiteral(name)}, ${quoteLiteral(`{${rights.join()}}`)}::text[])`
}
