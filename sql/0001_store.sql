--! breaking
-- The store: entries, the log of invalidations, the feed of changes, and the rule that says when an entry is valid.
-- Rendered before it runs: {{table}} is a qualified name and '{{table}}' the same as a string, {{name:x}} a bare one, {{literal:x}} a string,
-- {{persistence}} `unlogged` or nothing.
-- What the tables say is the truth. NOTIFY is only ever a latency hint.

-- What the operator chose once. A client that was configured otherwise is refused.
create table {{meta}} (
  singleton boolean primary key default true check (singleton),
  channel text not null,
  durability text not null check (durability in ('unlogged', 'logged')),
  installed_at timestamptz not null default clock_timestamp()
);

-- State of this world. It lives and dies with the entries: a crash that empties unlogged tables empties it too, and that is how it is noticed.
create {{persistence}} table {{state}} (
  singleton boolean primary key default true check (singleton),
  world uuid not null,
  -- Where the world was seeded: a restored dump or a copied database differs in one of these.
  system_identifier bigint not null,
  database_oid oid not null,
  entries_oid oid not null,
  timeline text not null,
  -- The run of the server, and the file of this table, for which all of that was last compared: as telling, and cheap enough for every statement.
  server_started_at timestamptz not null,
  path text not null,
  -- Load fence: candidate -> load_fence once loadTimeout has passed -> removal_fence once published for a minute.
  load_candidate pg_snapshot,
  load_candidate_at timestamptz,
  load_fence pg_snapshot not null,
  load_fence_at timestamptz not null,
  removal_fence pg_snapshot not null,
  -- Trim fence: a candidate is set while a round of re-stamping is under way.
  trim_candidate pg_snapshot,
  trim_candidate_at timestamptz,
  trim_fence pg_snapshot not null,
  -- Feed rows visible in the floor may be gone: an older cursor has a gap.
  feed_candidate pg_snapshot,
  feed_candidate_at timestamptz,
  feed_floor pg_snapshot not null,
  -- The clock hand: next block of entries to visit, whole rounds made, and when a process was last elected.
  hand bigint not null default 0,
  rounds bigint not null default 0,
  trim_rounds_left integer not null default 0,
  swept_at timestamptz not null
) with (fillfactor = 50);

-- One row, until a crash empties it. When one server process is killed, all the others are, and a crash it is, but the server has not been started
-- anew: nothing else would tell where the state is logged.
create unlogged table {{crash_sign}} (
  singleton boolean primary key default true check (singleton)
);

-- The state where it may be believed. Nobody has looked yet after a restart or a crash, on a standby that was promoted, in a restored dump, in a copied
-- database: no entry is valid there, no snapshot a token, and no write is done, until settle_world() has.
create view {{settled_state}} as
select s.*
from {{state}} as s
where s.server_started_at = pg_postmaster_start_time() and s.path = pg_relation_filepath('{{state}}'::regclass)
  and ({{literal:durability}} = 'unlogged' or exists (select from {{crash_sign}}));

-- Orders steps inside one transaction and nothing else, so that gaps and session caches do not matter; an own set or fill is the only step of its
-- transaction, and has 0. The cache keeps most other statements free of the WAL record that a sequence costs every 32 values.
-- Never unlogged: PostgreSQL 15 cannot read an unlogged sequence on a promoted standby ("bad magic number in sequence").
create sequence {{seq}} cache 10000;
create sequence {{hint_gate}};

-- Never analysed by itself, and nor is the feed: that holds a snapshot for as long as it takes, and meanwhile no row that is overwritten leaves its room
-- to the next. At 60,000 overwrites a second of 20,000 rows the table tripled within half a minute, and grew by 2 % without (PostgreSQL 18, 2 cores,
-- 2026-11-29). No plan needs to know more than that keys are unique.
-- No index on expires_at: it would make every overwrite a non-HOT update. No CHECK: PostgreSQL plans each of them again for every statement that
-- writes, and four cost a write of one row a tenth (0.04 of 0.41 ms, PostgreSQL 18, 2026-11-23). What calls us checks: keys have 1 to 1024 bytes,
-- expires_at is not before fresh_until, origin is s, f or t, and one of value and bytes is null. (Both are in a stub: evict_blocks.)
create {{persistence}} table {{entries}} (
  written_by xid8 not null,
  seq bigint not null,
  created_at timestamptz not null,
  fresh_until timestamptz not null,
  expires_at timestamptz not null,
  origin "char" not null,
  key text collate "C" constraint {{name:entries_pkey}} primary key,
  as_of pg_snapshot not null,
  codec text,
  tags text[] collate "C",
  value text,
  bytes bytea
) with (
  fillfactor = 85,
  autovacuum_vacuum_scale_factor = 0.1,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_insert_scale_factor = 0.5,
  autovacuum_analyze_threshold = 2147483647,
  autovacuum_vacuum_cost_delay = 0
);
comment on column {{entries}}.as_of is 'everything visible in this snapshot was known to whoever made the value';
comment on column {{entries}}.origin is
  's: set, as of its own statement; f: filled by a load, as of its token; t: set in a caller''s transaction, as of withTransaction()';

do $$
begin
  alter table {{entries}} alter column value set compression lz4, alter column bytes set compression lz4;
exception when feature_not_supported then
  null; -- a server built without lz4 keeps pglz
end
$$;

-- Append-only, so that no two transactions ever wait for each other here. target is 'k' || key or 't' || tag.
create {{persistence}} table {{invalidations}} (
  txid xid8 not null default pg_current_xact_id(),
  seq bigint not null default nextval('{{seq}}'),
  target text collate "C" not null
);
-- Tables without a key, for publications of all tables: whoever deletes from one that has no replica identity is refused.
alter table {{invalidations}} replica identity full;
create index {{name:invalidations_target_txid_idx}} on {{invalidations}} (target, txid);

-- prefix is 'k' || prefix of keys or 't' || prefix of tags. What begins a key is looked for under each length that there is.
create {{persistence}} table {{prefix_invalidations}} (
  txid xid8 not null default pg_current_xact_id(),
  seq bigint not null default nextval('{{seq}}'),
  prefix text collate "C" not null
);
alter table {{prefix_invalidations}} replica identity full;
create index {{name:prefix_invalidations_txid_idx}} on {{prefix_invalidations}} (txid);
create index {{name:prefix_invalidations_prefix_txid_idx}} on {{prefix_invalidations}} (left(prefix, 1), char_length(prefix), prefix, txid);

-- How long the prefixes of keys are, and as negative numbers those of tags: few lengths, however many prefixes there are. Each is found by a descent of
-- the index, also by a plan that was made when there was one page of them; and the plan is kept, which it is not in a function of language sql. Like the next
-- one it runs as the owner, as the tables of a view are read: whoever may read one of our views needs no more than that.
create function {{prefix_lengths}}() returns integer[]
language plpgsql stable parallel safe security definer
set enable_seqscan = off
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    with recursive known (kind, length) as (
      (
        select left(p.prefix, 1), char_length(p.prefix) from {{prefix_invalidations}} as p
        order by left(p.prefix, 1), char_length(p.prefix) limit 1
      )
      union all
      select further.kind, further.length
      from known
      cross join lateral (
        select left(p.prefix, 1) as kind, char_length(p.prefix) as length from {{prefix_invalidations}} as p
        where (left(p.prefix, 1), char_length(p.prefix)) > (known.kind, known.length)
        order by left(p.prefix, 1), char_length(p.prefix) limit 1
      ) as further
    )
    select array_agg(case known.kind when 'k' then known.length else -known.length end) from known
  );
end
$$;

-- Whether one of the prefixes of these lengths voids an entry, by the rule that is below. A function, because every statement pays for the start of a plan,
-- and few entries are older than the newest prefix. target is 'k' || key or 't' || tag.
create function {{prefix_voids}}(
  p_target text, p_tags text[], p_as_of pg_snapshot, p_written_by xid8, p_seq bigint, p_lengths integer[]
) returns boolean
language plpgsql stable parallel safe security definer
set enable_seqscan = off
set plan_cache_mode = 'force_generic_plan' -- or a plan would be made for each key: it would look cheaper
set search_path = pg_catalog, pg_temp
as $$
declare
  v_targets text[] := array[p_target];
begin
  if p_tags is not null then
    v_targets := v_targets || array(select 't' || tag from unnest(p_tags) as tag);
  elsif pg_snapshot_xmin(p_as_of) = pg_snapshot_xmax(p_as_of) then
    -- As below, without what tags and transactions in progress need: cheaper, and enough for most entries.
    return exists (
      select from unnest(p_lengths) as l
      cross join lateral (
        select from {{prefix_invalidations}} as i
        where left(i.prefix, 1) = left(p_target, 1) and char_length(i.prefix) = abs(l) and i.prefix = left(p_target, abs(l))
          and i.txid >= pg_snapshot_xmax(p_as_of) and (i.txid <> p_written_by or i.seq > p_seq)
        order by i.txid desc limit 1
      ) as voiding
      where (l > 0) = starts_with(p_target, 'k') and abs(l) <= char_length(p_target)
    );
  end if;
  if exists (
    select from unnest(v_targets) as target
    cross join unnest(p_lengths) as l
    cross join lateral (
      select from {{prefix_invalidations}} as i
      where left(i.prefix, 1) = left(target, 1) and char_length(i.prefix) = abs(l) and i.prefix = left(target, abs(l))
        and i.txid >= pg_snapshot_xmax(p_as_of) and (i.txid <> p_written_by or i.seq > p_seq)
      order by i.txid desc limit 1
    ) as voiding
    where (l > 0) = starts_with(target, 'k') and abs(l) <= char_length(target)
  ) then
    return true;
  end if;
  if pg_snapshot_xmin(p_as_of) = pg_snapshot_xmax(p_as_of) then
    return false;
  end if;
  return exists (
    select from unnest(v_targets) as target
    cross join unnest(p_lengths) as l
    cross join (select p_written_by as txid union all select pg_snapshot_xip(p_as_of)) as unseen
    cross join lateral (
      select from {{prefix_invalidations}} as i
      where left(i.prefix, 1) = left(target, 1) and char_length(i.prefix) = abs(l) and i.prefix = left(target, abs(l))
        and i.txid = unseen.txid and (i.txid <> p_written_by or i.seq > p_seq)
      offset 0
    ) as voiding
    where (l > 0) = starts_with(target, 'k') and abs(l) <= char_length(target)
  );
end
$$;

-- The transactions that appended to one of the two, each once, for one look at the newest. The unique index lets a transaction leave its row without
-- reading the table, which above READ COMMITTED could fail it, and keeps one that appends for hours from growing what others step over.
create {{persistence}} table {{invalidators}} (
  txid xid8 constraint {{name:invalidators_pkey}} primary key default pg_current_xact_id()
);

-- Append-only: one row for each statement that changed, removed or invalidated something.
create {{persistence}} table {{feed}} (
  txid xid8 not null default pg_current_xact_id(),
  keys text[] collate "C",
  tags text[] collate "C",
  key_prefixes text[] collate "C",
  tag_prefixes text[] collate "C"
) with (autovacuum_analyze_threshold = 2147483647);
alter table {{feed}} replica identity full;
create index {{name:feed_txid_idx}} on {{feed}} (txid);

-- Who loads what, where session locks cannot be used.
create {{persistence}} table {{leases}} (
  key text collate "C" constraint {{name:leases_pkey}} primary key,
  holder uuid not null,
  deadline timestamptz not null
);

-- What is not older than the trim fence, behind which invalidations may be gone; without a settled state there is no fence, and everything is.
-- is_undisputed: no invalidation is younger. Nothing at or above the xmin of as_of is older than as_of, and written_by is not either, so that an entry with
-- an xmin above the newest invalidating transaction needs no look into the log: that look costs a fifth of a read.
create view {{fenced_entries}} as
select e.*,
  pg_snapshot_xmin(e.as_of) > coalesce((select i.txid from {{invalidators}} as i order by i.txid desc limit 1), '0') as is_undisputed
from {{entries}} as e
where pg_snapshot_xmax(e.as_of) > (select pg_snapshot_xmax(s.trim_fence) from {{settled_state}} as s);

-- The validity rule. An invalidation i voids an entry unless the entry's author could see it:
--   i.txid = written_by ? i.seq > seq : not pg_visible_in_snapshot(i.txid, as_of)
-- Transaction ids and sequence numbers are not in commit order; only visibility decides. The rule is written so that an index on (target, txid) answers
-- it exactly, even while a long writer pins xmin: what as_of cannot see is at or above its xmax, or in its list of transactions in progress. Only a
-- caller's transaction can both set and invalidate.
-- Each probe is a subplan of its own: NOT (... OR ...) and OFFSET 0 keep the planner from joining the whole log, and ORDER BY ... LIMIT 1 from reading
-- all of it where most of it is one hot tag. Few of them, because every statement pays for the start of each.
create view {{valid_entries}} as
select e.*
from {{fenced_entries}} as e
where e.is_undisputed
  or not (
    exists (
      select from {{invalidations}} as i
      where i.target = 'k' || e.key and i.txid >= pg_snapshot_xmax(e.as_of) and (i.txid <> e.written_by or i.seq > e.seq)
      order by i.txid desc limit 1 offset 0
    )
    or e.tags is not null and exists (
      select from unnest(e.tags) as tag
      cross join lateral (
        select from {{invalidations}} as i
        where i.target = 't' || tag and i.txid >= pg_snapshot_xmax(e.as_of) and (i.txid <> e.written_by or i.seq > e.seq)
        order by i.txid desc limit 1
      ) as voiding
    )
    or (e.origin = 't' or pg_snapshot_xmin(e.as_of) <> pg_snapshot_xmax(e.as_of)) and exists (
      select from (select 'k' || e.key as target union all select 't' || tag from unnest(e.tags) as tag) as named
      cross join (select e.written_by as txid union all select pg_snapshot_xip(e.as_of)) as unseen
      cross join lateral (
        select from {{invalidations}} as i
        where i.target = named.target and i.txid = unseen.txid and (i.txid <> e.written_by or i.seq > e.seq)
        offset 0
      ) as voiding
    )
    or pg_snapshot_xmin(e.as_of) <= coalesce((select p.txid from {{prefix_invalidations}} as p order by p.txid desc limit 1), '0')
    and {{prefix_voids}}('k' || e.key, e.tags, e.as_of, e.written_by, e.seq, (select {{prefix_lengths}}()))
  );
