// Every statement of the library, built once per cache. What changes something calls a function of sql/; what reads is spelled out here.
// Names carry a hash of the text, so that two versions of the library can share a pooler's prepared statements.

import { createHash } from 'node:crypto'
import { quoteLiteral } from '../core/identifier.ts'
import type { Statement } from './driver.ts'
import type { Names } from './names.ts'

export interface Statements {
  readonly read: Statement
  readonly glance: Statement
  readonly sync: Statement
  readonly world: Statement
  readonly settleWorld: Statement
  readonly write: Statement
  readonly freeKeys: Statement
  readonly remove: Statement
  readonly invalidate: Statement
  readonly touch: Statement
  readonly list: Statement
  /** After $1, at most $2, of $3 that are looked at; where it is by tag, those that carry $4. */
  readonly page: (prefix: string, isByTag: boolean) => Statement
  readonly beginSweep: Statement
  readonly beginTrim: Statement
  readonly sweepBlocks: Statement
  readonly tableBlocks: Statement
  readonly endTrim: Statement
  readonly forgetChanges: Statement
  readonly forgetInvalidations: Statement
  readonly usage: Statement
  readonly evictBlocks: Statement
  readonly prune: Statement
  readonly acquireLeases: Statement
  readonly releaseLeases: Statement
}

// Remaining whole milliseconds; null: for ever. Subtracting from an infinite timestamp is an error before PostgreSQL 17.
const remaining = (column: string): string =>
  `case when isfinite(${column}) then floor(date_part('epoch', ${column} - statement_timestamp()) * 1000::float8)::bigint end`

// keep_ms is null where it is the same as fresh_ms: most entries have no grace, and every column costs a read.
const entryColumns = (version = 'e.written_by::text'): string =>
  `e.value, encode(e.bytes, 'hex'), e.codec, pg_catalog.array_to_json(e.tags)::text, ${version},
  ${remaining('e.fresh_until')}, case when e.expires_at <> e.fresh_until then ${remaining('e.expires_at')} end`
const listedColumns = `e.key, ${entryColumns()}, floor(date_part('epoch', e.created_at) * 1000::float8)::bigint`

// One row for each key, all null where nothing is. The first carries the world and the snapshot of them all, which is also the token of a load that
// follows. OFFSET 0 keeps one index look-up per key, whatever the statistics say. The array comes from a subselect because the planner looks into a
// parameter: it would find every plan for a few keys cheaper than the generic one, and plan each time for longer than it takes to run (one key 1.4 ms
// against 0.3 ms, PostgreSQL 18, 2026-11-22).
const reading = (object: Names['object'], entries: string, columns: string): string =>
  `select asked.n, found.*,
  case when asked.n = 1 then (select s.world::text || ' ' || pg_current_snapshot()::text from ${object('settled_state')} as s) end
from pg_catalog.unnest((select $1::text[])) with ordinality as asked (key, n)
left join lateral (
  select ${columns}
  from ${object(entries)} as e
  where e.key = asked.key and e.expires_at > statement_timestamp()
  offset 0
) as found on true`

export function createStatements({ object }: Names): Statements {
  return {
    read: named('read', reading(object, 'valid_entries', entryColumns())),
    // As read, but without the log: where that must be asked, the version is empty. Each statement pays for the start of every look that its plan holds,
    // be it taken or not, and without them a read of one key takes a fifth less time.
    glance: named(
      'glance',
      reading(
        object,
        'fenced_entries',
        entryColumns(`case when e.is_undisputed then e.written_by::text else '' end`),
      ),
    ),
    // First the header, then the feed rows that the cursor $1 does not see, $2 of them at most, and none after those that name $3 keys and tags. A gap: the floor does not lie behind the cursor, or the cursor lies ahead
    // of a server that was set back to an older state.
    // Order, sub-selects and OFFSET 0 keep it on the index: a feed that nobody has analysed yet would be read whole, several times a second.
    sync: named(
      'sync',
      `select now.snapshot::text, s.world::text, floor(date_part('epoch', clock_timestamp()) * 1000::float8)::bigint::text,
  (pg_snapshot_xmax($1::pg_snapshot) > pg_snapshot_xmax(s.feed_floor)
    and pg_snapshot_xmax($1::pg_snapshot) <= pg_snapshot_xmax(now.snapshot))::text,
  null
from pg_current_snapshot() as now (snapshot) left join ${object('settled_state')} as s on true
union all
(select f.txid::text, pg_catalog.array_to_json(f.keys)::text, pg_catalog.array_to_json(f.tags)::text,
  pg_catalog.array_to_json(f.key_prefixes)::text, pg_catalog.array_to_json(f.tag_prefixes)::text
from (
  select f.*, pg_catalog.sum(coalesce(pg_catalog.cardinality(f.keys), 0) + coalesce(pg_catalog.cardinality(f.tags), 0)) over (rows between unbounded preceding and 1 preceding) as named_before
  from (
    (select f.* from ${object('feed')} as f where f.txid >= (select pg_snapshot_xmax($1::pg_snapshot)) order by f.txid limit (select $2::bigint))
    union all
    (select f.* from pg_snapshot_xip($1::pg_snapshot) as unseen (txid)
    cross join lateral (select * from ${object('feed')} as f where f.txid = unseen.txid offset 0) as f limit $2)
  ) as f
) as f
where coalesce(f.named_before, 0) < $3
limit $2)`,
    ),
    world: named('world', `select s.world::text from ${object('settled_state')} as s`),
    settleWorld: named('settle_world', `select ${object('settle_world')}()`),
    write: named('write', `select ${object('write_entries')}($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`),
    freeKeys: named('free_keys', `select pg_catalog.array_to_json(${object('free_keys')}($1))::text`),
    remove: named(
      'remove',
      `select version, pg_catalog.array_to_json(live)::text from ${object('remove_entries')}($1, $2)`,
    ),
    invalidate: named('invalidate', `select version from ${object('invalidate_targets')}($1, $2, $3)`),
    touch: named(
      'touch',
      `select version, pg_catalog.array_to_json(touched)::text from ${object('touch_entries')}($1, $2, $3, $4, $5)`,
    ),
    list: named(
      'list',
      `select ${listedColumns}
from ${object('valid_entries')} as e
where e.key = $1 and e.expires_at > statement_timestamp()`,
    ),
    // Pages in key order: every prefix of a key sorts before the key under collation "C". The prefix is a literal, from which the planner knows where
    // the last page ends; from a parameter it would not in a plan that is kept, nor from starts_with() before PostgreSQL 15, and go on to the end of the
    // table. Rows are looked at one by one, in the order of the first of the two lists, until the page is full: void ones, or those without the tag, may
    // be many (200,000 that a clear() has left took 8 s in one statement, PostgreSQL 18, 2 cores, 2026-12-01). Where the page is not full, a last row says
    // where to go on.
    page: (prefix, isByTag) => ({
      name: '',
      text: `with looked as materialized (
  select e.key, e.fresh_until, e.tags
  from ${object('entries')} as e
  where e.key > $1 and e.key like ${quoteLiteral(patternOf(prefix))}
  order by e.key limit (select $3::bigint)
), page as materialized (
  select found.*
  from looked
  cross join lateral (select ${listedColumns} from ${object('valid_entries')} as e where e.key = looked.key offset 0) as found
  where looked.fresh_until > statement_timestamp()${isByTag ? ' and $4 = any (looked.tags)' : ''}
  limit $2
)
select * from page
union all
select (select l.key from looked as l offset $3 - 1 limit 1), null, null, null, null, null, null, null, null
where (select pg_catalog.count(*) from page) < $2`,
    }),
    beginSweep: named('begin_sweep', `select ${object('begin_sweep')}($1, $2, $3)`),
    beginTrim: named('begin_trim', `select ${object('begin_trim')}($1)`),
    sweepBlocks: named('sweep_blocks', `select removed, wrapped from ${object('sweep_blocks')}($1, $2)`),
    tableBlocks: named(
      'table_blocks',
      `select pg_relation_size(${quoteLiteral(object('entries'))}) / current_setting('block_size')::bigint`,
    ),
    endTrim: named('end_trim', `select ${object('end_trim')}($1)`),
    forgetChanges: named('forget_changes', `select ${object('forget_changes')}($1, $2)`),
    forgetInvalidations: named('forget_invalidations', `select ${object('forget_invalidations')}($1)`),
    usage: named(
      'usage',
      `select entries, bytes, stub_bytes, valued, expired, value_bytes from ${object('usage')}()`,
    ),
    evictBlocks: named('evict_blocks', `select ${object('evict_blocks')}($1, $2, $3, $4)`),
    prune: named('prune', `select removed, next from ${object('prune_blocks')}($1, $2, $3)`),
    acquireLeases: named(
      'acquire_leases',
      `select ${object('acquire_lease')}(asked.key, $2, $3) from pg_catalog.unnest($1::text[]) as asked (key)`,
    ),
    releaseLeases: named(
      'release_leases',
      `select ${object('release_lease')}(asked.key, $2) from pg_catalog.unnest($1::text[]) as asked (key)`,
    ),
  }
}

const patternOf = (prefix: string): string => `${prefix.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`

export function named(operation: string, text: string): Statement {
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 12)
  return { name: `postgres_cache_${operation}_${digest}`, text }
}
