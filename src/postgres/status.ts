// What an operator wants to know about a store, read in one statement. It asks the tables and the server's statistics and changes nothing.

import { quoteLiteral } from '../core/identifier.ts'
import type { Driver } from './driver.ts'
import { checkSchema, inspectServer, LATEST_VERSION, readSettings, type SchemaSettings } from './migrate.ts'
import type { Names } from './names.ts'
import { type WatchedTable, Watches } from './watch.ts'

/** Null stands for what cannot be told. */
export interface StoreStatus extends SchemaSettings, Measured {
  readonly schema: string
  readonly schemaPrefix: string
  readonly schemaVersion: number
  /** False: a migration is due that does not break older clients. */
  readonly schemaIsCurrent: boolean
  readonly watches: readonly WatchedTable[]
}

interface Measured {
  readonly database: string
  readonly server: string
  /** By the database's clock, ISO 8601. */
  readonly at: string
  readonly tables: readonly TableStatus[]
  /** As `store.maxEntries` and `store.maxBytes` count them: estimates, where the table has more than 8 MiB. */
  readonly usage: { readonly entries: number; readonly bytes: number }
  /** Past ttl and grace, and not removed yet; null where there are too many entries to look at. */
  readonly expiredEntries: number | null
  /** Of the entries, since the server's statistics were reset. Only HOT updates keep the table from growing. */
  readonly updates: number
  readonly hotUpdates: number
  readonly deadRows: number
  readonly lastVacuumMs: number | null
  /** Null: no client has begun to use the store, or a crash has emptied it. */
  readonly state: WorldStatus | null
  /** Connections of this and other caches to the database, as far as the role may see and nobody named them otherwise. */
  readonly connections: number
  /** Those of them that hear notifications: one per process. */
  readonly sessions: number
  /** From 0 to 1, of the whole server. A full queue fails commits that notify. */
  readonly notificationQueueUsage: number
}

export interface TableStatus {
  readonly name: string
  readonly rows: number
  /** False: an estimate of the server's statistics. */
  readonly rowsAreExact: boolean
  readonly tableBytes: number
  readonly indexBytes: number
  readonly toastBytes: number
}

/** Of fences, how many transactions have begun since. */
export interface WorldStatus {
  readonly world: string
  /** False: the tables came from elsewhere, as from a dump; the next client empties them. */
  readonly worldIsSettled: boolean
  readonly loadFenceLagTransactions: number
  readonly loadFenceMs: number
  readonly removalFenceLagTransactions: number
  readonly trimFenceLagTransactions: number
  /** Age of the trim under way. */
  readonly trimMs: number | null
  readonly feedFloorLagTransactions: number
  readonly sweptMs: number
  /** Next block of the entries that the sweeper visits, of how many. */
  readonly handBlock: number
  readonly blocks: number
  readonly rounds: number
}

const TABLES = ['entries', 'invalidations', 'prefix_invalidations', 'invalidators', 'feed', 'leases'] as const

// Enough to tell anything by, and counted within a fraction of a second.
const MAX_COUNTED_ROWS = 100_000

/** Throws what keeps a client from working: a schema that is missing, that is too old or too new. */
export async function readStatus(driver: Driver, names: Names): Promise<StoreStatus> {
  const server = await inspectServer(driver, names)
  checkSchema(server, names, 'elsewhere')
  const settings = await readSettings(driver, names)
  const [row] = await driver.query({ name: '', text: measure(names) })
  return {
    schema: names.schema,
    schemaPrefix: names.prefix,
    schemaVersion: server.version,
    schemaIsCurrent: server.version >= LATEST_VERSION,
    watches: await new Watches(driver, names).list(),
    ...settings,
    ...(JSON.parse(row?.[0] ?? '{}') as Measured),
  }
}

const millisecondsSince = (time: string): string =>
  `(date_part('epoch', clock_timestamp() - ${time}) * 1000::float8)::bigint`

const transactionsSince = (snapshot: string): string =>
  `pg_snapshot_xmax(pg_current_snapshot())::text::bigint - pg_snapshot_xmax(${snapshot})::text::bigint`

const measure = ({ object }: Names): string => `
with
tables as (
  ${TABLES.map((name) => measureTable(name, object(name))).join('\n  union all ')}
),
expired as (
  select count(*) filter (where e.expires_at <= clock_timestamp()) as count, count(*) <= ${MAX_COUNTED_ROWS} as is_exact
  from (select expires_at from ${object('entries')} limit ${MAX_COUNTED_ROWS + 1}) as e
),
peers as (
  select count(*) as connections, count(*) filter (where a.application_name = 'postgres-cache session') as sessions
  from pg_stat_activity as a
  where a.datname = current_database() and starts_with(a.application_name, 'postgres-cache') and a.pid <> pg_backend_pid()
),
world as (
  select pg_catalog.json_build_object(
    'world', s.world,
    'worldIsSettled', coalesce((s.system_identifier, s.database_oid, s.entries_oid, s.timeline)
      = (p.system_identifier, p.database_oid, p.entries_oid, p.timeline), false),
    'loadFenceLagTransactions', ${transactionsSince('s.load_fence')},
    'loadFenceMs', ${millisecondsSince('s.load_fence_at')},
    'removalFenceLagTransactions', ${transactionsSince('s.removal_fence')},
    'trimFenceLagTransactions', ${transactionsSince('s.trim_fence')},
    'trimMs', ${millisecondsSince('s.trim_candidate_at')},
    'feedFloorLagTransactions', ${transactionsSince('s.feed_floor')},
    'sweptMs', ${millisecondsSince('s.swept_at')},
    'handBlock', s.hand,
    'blocks', pg_relation_size(${quoteLiteral(object('entries'))}) / current_setting('block_size')::bigint,
    'rounds', s.rounds
  ) as state
  from ${object('state')} as s, ${object('place')}() as p
)
select pg_catalog.json_build_object(
  'database', current_database(),
  'server', current_setting('server_version'),
  'at', to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
  'tables', (select pg_catalog.json_agg(t) from tables as t),
  'usage', (select pg_catalog.json_build_object('entries', round(c.entries), 'bytes', round(c.bytes)) from ${object('usage')}() as c),
  'expiredEntries', (select e.count from expired as e where e.is_exact),
  'updates', u.n_tup_upd,
  'hotUpdates', u.n_tup_hot_upd,
  'deadRows', u.n_dead_tup,
  'lastVacuumMs', ${millisecondsSince('greatest(u.last_vacuum, u.last_autovacuum)')},
  'state', (select w.state from world as w),
  'connections', p.connections,
  'sessions', p.sessions,
  'notificationQueueUsage', pg_notification_queue_usage()
)::text
from pg_stat_all_tables as u, peers as p
where u.relid = ${quoteLiteral(object('entries'))}::regclass`

const measureTable = (name: string, table: string): string => `
  select '${name}' as name,
    case when r.counted <= ${MAX_COUNTED_ROWS} then r.counted else greatest(r.counted, c.reltuples::bigint, s.n_live_tup) end as "rows",
    r.counted <= ${MAX_COUNTED_ROWS} as "rowsAreExact",
    pg_table_size(c.oid) - coalesce(t.bytes, 0) as "tableBytes",
    pg_indexes_size(c.oid) as "indexBytes",
    coalesce(t.bytes, 0) as "toastBytes"
  from (select count(*) as counted from (select from ${table} limit ${MAX_COUNTED_ROWS + 1}) as sample) as r
  join pg_class as c on c.oid = ${quoteLiteral(table)}::regclass
  join pg_stat_all_tables as s on s.relid = c.oid
  left join lateral (select pg_total_relation_size(c.reltoastrelid) as bytes where c.reltoastrelid <> 0) as t on true`
