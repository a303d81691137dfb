--! breaking
-- Housekeeping by one elected process at a time. Nothing is ever forgotten by age: two published snapshots say what may go.
-- Whatever the sweep misses is older than a fence and therefore void: everything fails closed.

-- Elects the caller when nobody swept for p_interval_ms, and moves the load fence and the feed's floor by the database's clock.
-- Candidates are committed before they are published, so that every later snapshot has a larger xmax.
create function {{begin_sweep}}(p_interval_ms float8, p_load_timeout_ms float8, p_feed_keep_ms float8) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_elected boolean;
begin
  -- No entry is valid until the world is settled, and none is void.
  if not exists (select from {{settled_state}}) then
    return false;
  end if;
  update {{state}} as s
  set swept_at = v_now
  from (
    select c.singleton from {{state}} as c
    -- A clock that was set back must not stop the sweep.
    where c.swept_at <= v_now - p_interval_ms * interval '1 ms' or c.swept_at > v_now + interval '1 minute'
    for update skip locked
  ) as due
  where s.singleton = due.singleton;
  v_elected := found;
  if not v_elected then
    return false;
  end if;

  -- Removal fence: a load fence that has been published for a minute, so that no statement that checked an older one is still under way.
  update {{state}} as s
  set removal_fence = s.load_fence
  where s.load_fence_at <= v_now - interval '1 minute' and pg_snapshot_xmax(s.load_fence) > pg_snapshot_xmax(s.removal_fence);
  update {{state}} as s
  set load_fence = s.load_candidate, load_fence_at = v_now, load_candidate = null, load_candidate_at = null
  where s.load_candidate_at <= v_now - p_load_timeout_ms * interval '1 ms'
    -- The previous fence stays until it has become the removal fence, or a steady tick would never let one grow a minute old.
    and pg_snapshot_xmax(s.load_fence) <= pg_snapshot_xmax(s.removal_fence);
  update {{state}} as s
  set load_candidate = pg_current_snapshot(), load_candidate_at = v_now
  where s.load_candidate is null;

  update {{state}} as s
  set feed_floor = s.feed_candidate, feed_candidate = null, feed_candidate_at = null
  where s.feed_candidate_at <= v_now - p_feed_keep_ms * interval '1 ms';
  update {{state}} as s
  set feed_candidate = pg_current_snapshot(), feed_candidate_at = v_now
  where s.feed_candidate is null;

  delete from {{leases}} as l where l.deadline < v_now - interval '1 minute';
  return true;
end
$$;

-- Begins a round of re-stamping when the log has outgrown its share, so that the trim fence can move. pg_class.reltuples may be stale or unknown:
-- the log is counted up to the bound only.
create function {{begin_trim}}(p_max_invalidations bigint) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_bound bigint;
  -- Each costs reads of older entries a look.
  v_max_lengths constant integer := 64;
begin
  if exists (select from {{state}} as s where s.trim_candidate is not null) then
    return true;
  end if;
  v_bound := greatest(
    p_max_invalidations,
    (select c.reltuples / 10 from pg_class as c where c.oid = '{{entries}}'::regclass)::bigint
  );
  if (select count(*) from (select from {{invalidations}} limit v_bound) as counted) < v_bound
    and (select count(*) from (select from {{prefix_invalidations}} limit v_bound) as counted) < v_bound
    and coalesce(cardinality({{prefix_lengths}}()), 0) <= v_max_lengths then
    return false;
  end if;
  update {{state}} as s
  -- The hand starts a new round: two wraps from here every block has been visited whole.
  set trim_candidate = pg_current_snapshot(), trim_candidate_at = clock_timestamp(), trim_rounds_left = 2;
  return true;
end
$$;

-- Moves the clock hand over p_blocks blocks of entries: removes rows that expired (their grace too) or are void and whose absence cannot let an
-- older fill in, and re-stamps valid ones while a trim is under way. Rows that others hold are passed over.
create function {{sweep_blocks}}(p_blocks bigint, p_limit integer, out removed bigint, out wrapped boolean)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_state {{state}};
  v_pages bigint := pg_relation_size('{{entries}}') / current_setting('block_size')::bigint;
  v_from tid;
  v_to tid;
  v_keys text[];
begin
  removed := 0;
  wrapped := false;
  select s.* into v_state from {{state}} as s where exists (select from {{settled_state}}) for update skip locked;
  if not found then
    return; -- another sweeper is at work, or the server was started anew
  end if;
  v_from := format('(%s,0)', least(v_state.hand, v_pages))::tid;
  v_to := format('(%s,0)', least(v_state.hand + p_blocks, v_pages))::tid;

  -- Rows are chosen and locked in one statement and judged again in the next, whose snapshot sees the very versions that are locked: a set that
  -- committed in between is never removed.
  select array_agg(e.key) into v_keys
  from (
    select c.key
    from {{entries}} as c
    where c.ctid >= v_from and c.ctid < v_to
      and pg_visible_in_snapshot(c.written_by, v_state.removal_fence)
      and (
        c.expires_at <= clock_timestamp() - interval '1 minute'
        or not exists (select from {{valid_entries}} as v where v.key = c.key offset 0)
      )
    limit p_limit
    for update skip locked
  ) as e;
  if v_keys is not null then
    removed := {{remove_swept}}(v_keys, v_state.removal_fence);
  end if;
  if cardinality(v_keys) = p_limit then
    return; -- the hand stays: there may be more in these blocks
  end if;

  if v_state.trim_candidate is not null then
    select array_agg(e.key) into v_keys
    from (
      select c.key
      from {{entries}} as c
      where c.ctid >= v_from and c.ctid < v_to
        and pg_snapshot_xmax(c.as_of) <= pg_snapshot_xmax(v_state.trim_candidate)
        and exists (select from {{valid_entries}} as v where v.key = c.key offset 0)
      for no key update skip locked
    ) as e;
    perform {{act}}('restamp');
    -- written_by stays: a HOT update that changes no value.
    update {{entries}} as e
    set as_of = pg_current_snapshot()
    where e.key = any (v_keys)
      and pg_snapshot_xmax(e.as_of) <= pg_snapshot_xmax(v_state.trim_candidate)
      and exists (select from {{valid_entries}} as v where v.key = e.key offset 0);
  end if;

  wrapped := v_state.hand + p_blocks >= v_pages;
  update {{state}} as s
  set hand = case when wrapped then 0 else s.hand + p_blocks end,
    rounds = s.rounds + wrapped::integer,
    trim_rounds_left = greatest(s.trim_rounds_left - wrapped::integer, 0);
end
$$;

-- Removes rows behind the removal fence. Nobody needs telling of those that are expired, or invalidated: the invalidation has been told. What is
-- void for nothing but the trim fence, because it was held when the others were re-stamped, may be held by others, too, and a later set would replace
-- nothing and tell nobody: of its end they are told now.
create function {{remove_swept}}(p_keys text[], p_fence pg_snapshot) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_trim_fence constant pg_snapshot := (select s.trim_fence from {{state}} as s);
  v_former constant text := {{act}}('remove');
  v_count bigint;
  v_told bigint;
begin
  delete from {{entries}} as e
  where e.key = any (p_keys)
    and pg_visible_in_snapshot(e.written_by, p_fence)
    and (
      e.expires_at <= clock_timestamp() - interval '1 minute'
      or pg_snapshot_xmax(e.as_of) > pg_snapshot_xmax(v_trim_fence)
        and not exists (select from {{valid_entries}} as v where v.key = e.key offset 0)
    );
  get diagnostics v_count = row_count;
  perform {{act}}(v_former);
  delete from {{entries}} as e
  where e.key = any (p_keys)
    and pg_visible_in_snapshot(e.written_by, p_fence)
    and pg_snapshot_xmax(e.as_of) <= pg_snapshot_xmax(v_trim_fence);
  get diagnostics v_told = row_count;
  return v_count + v_told;
end
$$;

-- Ends a trim whose rounds are complete by publishing its fence.
create function {{end_trim}}(p_load_timeout_ms float8) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  update {{state}} as s
  set trim_fence = s.trim_candidate, trim_candidate = null, trim_candidate_at = null
  where s.trim_candidate is not null
    and s.trim_rounds_left = 0
    and s.trim_candidate_at <= clock_timestamp() - p_load_timeout_ms * interval '1 ms';
end
$$;

-- Forgets up to p_limit changes of the feed that lie below its floor, from transaction p_from on. Returns where to go on; null: there are no more.
-- A step at a time, and along the index: as long as one lasts, no row that is overwritten leaves its room to the next (of 20,000 that are overwritten 100,000
-- times a second, the table grew by a third in five minutes, with steps of 50 ms; PostgreSQL 18, 2026-11-30).
create function {{forget_changes}}(p_from xid8, p_limit integer) returns xid8
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off -- what is dead already would be gone through at each step
set enable_bitmapscan = off
set jit = off -- until PostgreSQL 17, what is switched off counts as dear enough for it
as $$
declare
  v_floor pg_snapshot := (select s.feed_floor from {{state}} as s where s.singleton);
  v_rows tid[];
  v_last xid8;
begin
  select array_agg(c.row), (array_agg(c.txid))[p_limit] into v_rows, v_last
  from (
    select f.ctid as row, f.txid from {{feed}} as f
    where f.txid >= p_from and f.txid < pg_snapshot_xmax(v_floor) and pg_visible_in_snapshot(f.txid, v_floor)
    order by f.txid limit p_limit
  ) as c;
  delete from {{feed}} as f where f.ctid = any (v_rows);
  return v_last;
end
$$;

-- Forgets up to p_limit invalidations of each kind that are behind the trim fence. An entry is void by the fence before the invalidation that voided it
-- is gone. Returns whether there may be more.
create function {{forget_invalidations}}(p_limit integer) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_state {{state}};
  v_count bigint;
  v_most bigint := 0;
begin
  select s.* into v_state from {{state}} as s;
  delete from {{invalidations}} as i
  where i.ctid = any (array(
    select c.ctid from {{invalidations}} as c where pg_visible_in_snapshot(c.txid, v_state.trim_fence) limit p_limit
  ));
  get diagnostics v_count = row_count;
  v_most := greatest(v_most, v_count);
  -- The newest stays, here and below: while a transaction is left open, reads would have to step over all that are gone. One row of it: as many lengths as
  -- make a trim necessary may be of one transaction.
  delete from {{prefix_invalidations}} as p
  where p.ctid = any (array(
    select c.ctid from {{prefix_invalidations}} as c
    where pg_visible_in_snapshot(c.txid, v_state.trim_fence)
      and c.ctid <> (select n.ctid from {{prefix_invalidations}} as n order by n.txid desc limit 1)
    limit p_limit
  ));
  get diagnostics v_count = row_count;
  v_most := greatest(v_most, v_count);
  delete from {{invalidators}} as i
  where i.ctid = any (array(
    select c.ctid from {{invalidators}} as c
    where pg_visible_in_snapshot(c.txid, v_state.trim_fence) and c.txid < (select n.txid from {{invalidators}} as n order by n.txid desc limit 1)
    limit p_limit
  ));
  get diagnostics v_count = row_count;
  return greatest(v_most, v_count) = p_limit;
end
$$;

-- What the caps are compared with. entries: what has not expired. bytes: of all rows, because what has expired takes room until the sweep may remove
-- it; of these, stub_bytes of stubs, which eviction cannot make smaller. valued: rows with one, how many of them have expired, and what
-- their values take. A table of up to 1,024 blocks is counted, of a larger one 128 stretches of 8 blocks, one somewhere in each part of it. 112 bytes
-- for what a row has besides its texts, in table and index.
create function {{usage}}(
  out entries float8, out bytes float8, out stub_bytes float8, out valued float8, out expired float8, out value_bytes float8
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_blocks constant float8 := greatest(pg_relation_size('{{entries}}') / current_setting('block_size')::bigint, 1024);
  v_part constant float8 := v_blocks / 128;
  v_scale constant float8 := v_blocks / 1024;
begin
  select count(*) filter (where e.is_live) * v_scale,
    coalesce(sum(e.bare_bytes + e.value_bytes), 0) * v_scale,
    coalesce(sum(e.bare_bytes + e.value_bytes) filter (where not e.is_valued), 0) * v_scale,
    count(*) filter (where e.is_valued) * v_scale,
    count(*) filter (where e.is_valued and not e.is_live) * v_scale,
    coalesce(sum(e.value_bytes) filter (where e.is_valued), 0) * v_scale
  into entries, bytes, stub_bytes, valued, expired, value_bytes
  from (select floor(n * v_part + random() * (v_part - 8)) as block from generate_series(0, 127) as n offset 0) as stretch
  cross join lateral (
    select c.expires_at > clock_timestamp() as is_live,
      num_nonnulls(c.value, c.bytes) > 0 as is_valued,
      112 + 2 * octet_length(c.key) as bare_bytes,
      coalesce(pg_column_size(c.value), 0) + coalesce(pg_column_size(c.bytes), 0) + coalesce(pg_column_size(c.tags), 0) as value_bytes
    from {{entries}} as c
    where c.ctid >= format('(%s,0)', stretch.block)::tid and c.ctid < format('(%s,0)', stretch.block + 8)::tid
    offset 0
  ) as e;
end
$$;

-- Evicts up to p_limit entries of p_blocks blocks from p_from, those first that were written first (bench/eviction.ts); with p_expired, what has
-- expired and still has a value. Rows behind the removal fence are deleted. Younger ones must go on to refuse older fills: they become stubs, which keep
-- key and version, count as expired long ago, and are removed by the sweep as others that are. The triggers tell others of both, because a later set
-- would replace nothing, or what is expired, and tell nobody.
create function {{evict_blocks}}(p_from bigint, p_blocks bigint, p_limit integer, p_expired boolean) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_fence constant pg_snapshot := (select s.removal_fence from {{state}} as s);
  v_rows tid[];
  v_deleted bigint;
  v_stripped bigint;
begin
  -- Locked in a statement of its own: the next one's snapshot then sees the very rows that are locked here.
  select array_agg(e.ctid) into v_rows
  from (
    select c.ctid
    from {{entries}} as c
    where c.ctid >= format('(%s,0)', p_from)::tid
      and c.ctid < format('(%s,0)', p_from + p_blocks)::tid
      and (c.expires_at > clock_timestamp()) <> p_expired
      and num_nonnulls(c.value, c.bytes) > 0
    order by c.written_by
    limit p_limit
    for update skip locked
  ) as e;
  delete from {{entries}} as e where e.ctid = any (v_rows) and pg_visible_in_snapshot(e.written_by, v_fence);
  get diagnostics v_deleted = row_count;
  update {{entries}} as e
  set fresh_until = 'epoch', expires_at = 'epoch', codec = null, tags = null, value = null, bytes = null
  where e.ctid = any (v_rows);
  get diagnostics v_stripped = row_count;
  return v_deleted + v_stripped;
end
$$;

-- prune(): what is expired or void in p_blocks blocks from p_from, up to p_limit rows, now. Rows that are younger than the removal fence leave an
-- invalidation behind, appended by the trigger. next: where to go on; null at the end of the table.
create function {{prune_blocks}}(p_from bigint, p_blocks bigint, p_limit integer, out removed bigint, out next bigint)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_pages bigint := pg_relation_size('{{entries}}') / current_setting('block_size')::bigint;
  v_keys text[];
begin
  removed := 0;
  if not exists (select from {{settled_state}}) then
    return;
  end if;
  select array_agg(c.key) into v_keys
  from (
    select e.key
    from {{entries}} as e
    where e.ctid >= format('(%s,0)', least(p_from, v_pages))::tid
      and e.ctid < format('(%s,0)', least(p_from + p_blocks, v_pages))::tid
      and (
        e.expires_at <= clock_timestamp()
        or not exists (select from {{valid_entries}} as v where v.key = e.key offset 0)
      )
    limit p_limit
    for update skip locked
  ) as c;
  -- Judged again in a snapshot that sees what is locked: a set that committed in between stays.
  delete from {{entries}} as e
  where e.key = any (v_keys)
    and (
      e.expires_at <= clock_timestamp()
      or not exists (select from {{valid_entries}} as v where v.key = e.key offset 0)
    );
  get diagnostics removed = row_count;
  next := case
    when cardinality(v_keys) = p_limit then p_from
    when p_from + p_blocks < v_pages then p_from + p_blocks
  end;
end
$$;
