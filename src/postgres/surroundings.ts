// What the server, its settings and its other users mean for a cache, read in one statement that changes nothing.

import { quoteLiteral } from '../core/identifier.ts'
import type { Driver } from './driver.ts'
import type { Names } from './names.ts'

export interface Surroundings {
  /** As server_version_num. */
  readonly server: number
  readonly inRecovery: boolean
  readonly role: string
  /** To create the schema. */
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
  const text = 'select extract(epoch from clock_timestamp()) * 1000'
  const [row] = await driver.query({ name: '', text })
  return Number(row?.[0])
}

const look = ({ schema, prefix }: Names): string => `
with
objects as (
  select c.oid, c.relname, c.relkind
  from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
  where n.nspname = ${quoteLiteral(schema)} and starts_with(c.relname, ${quoteLiteral(prefix)}) and c.relkind in ('r', 'S')
),
missing as (
  select 'usage on schema ' || n.nspname as what from pg_namespace as n
  where n.nspname = ${quoteLiteral(schema)} and not has_schema_privilege(n.oid, 'usage')
  union all
  select r.name || ' on ' || o.relname
  from objects as o cross join unnest(array['select', 'insert', 'update', 'delete']) as r (name)
  where case o.relkind when 'r' then not has_table_privilege(o.oid, r.name) end
  union all
  select 'usage on ' || o.relname from objects as o
  where case o.relkind when 'S' then not has_sequence_privilege(o.oid, 'usage') end
)
select json_build_object(
  'server', current_setting('server_version_num')::integer,
  'inRecovery', pg_is_in_recovery(),
  'role', current_user,
  'mayInstall', has_database_privilege(current_database(), 'create'),
  'missingRights', (select coalesce(json_agg(m.what order by m.what), '[]') from missing as m),
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
    select coalesce(json_agg(json_build_object('pid', a.pid, 'application', a.application_name) order by a.pid), '[]')
    from pg_stat_activity as a
    where a.state like 'idle in transaction%' and a.state_change < clock_timestamp() - interval '1 minute'
  )
)::text`
