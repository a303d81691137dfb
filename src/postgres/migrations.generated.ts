// Made by scripts/embed-sql.ts from the files in sql/. Change those and run `npm run build`.

export interface Migration {
  readonly version: number
  readonly name: string
  /** Whether a library that does not know this migration must refuse to work on a schema that has it. */
  readonly breaking: boolean
  /** With its {{placeholders}}. */
  readonly sql: string
}

export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    name: 'store',
    breaking: true,
    sql: `--! breaking
-- The store: entries, the log of invalidations, the feed of changes, and the rule that says when an entry is valid.
-- Rendered before it runs: {{table}} is a qualified name and '{{table}}' the same as a string, {{name:x}} a bare one, {{literal:x}} a string,
-- {{persistence}} \`unlogged\` or nothing.
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
`,
  },
  {
    version: 2,
    name: 'changes',
    breaking: true,
    sql: `--! breaking
-- How a change becomes known: statement-level triggers append one feed row, and mostly send a hint.
-- They run as the owner, so that no role needs rights on the feed, and never let a hint hurt the transaction that they run in. They run always: a
-- session that switches off triggers for a bulk load (session_replication_role = replica) may invalidate all the same. Each looks first whether the
-- table is its own: on another, a view in pg_temp could stand for the transition table, and what it calls would run as the owner.
--
-- postgres_cache.act is set by our own functions, for their own transactions. What runs in a caller's puts it back. (Only a superuser could set it
-- in the definition of a function, where it would end by itself.)
--   write    our own write in a transaction of its own   remove  the invalidations are appended already
--   restamp  only as_of moves: nothing to tell            settle  a new world begins: nobody knows these rows
--   quiet    no hint

-- Says what the statements that follow are about; returns what was said before.
create function {{act}}(p_act text) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_former constant text := coalesce(current_setting('postgres_cache.act', true), '');
begin
  -- Assigned: PERFORM would run a statement.
  p_act := set_config('postgres_cache.act', p_act, true);
  return v_former;
end
$$;

-- Sends a hint unless the cluster sent one just before.
-- NOTIFY takes a cluster-wide lock at commit and wakes every listener, so hints are rate-gated through a sequence, which is shared memory without
-- locks: it holds when the gate opens next. A hint shuts it for 20 ms. While writes queue at the gate, for 25 ms, or a millisecond for each connection to
-- the database and 100 at most, because every hint costs each listener about as much, and the sync that follows it more (16 writers, 300/s each, 32
-- listeners, 2 cores: the mean write took 1.8 times as long with a hint every 20 ms, and 0.9 to 2.1 times with one every 80 to 160, 2026-11-23; 48
-- clients that write and read: 1.55 times with half a millisecond for each connection, 1.37 with one, 2026-11-30).
-- Whoever misses a hint hears of the change in the sync that follows the last one when the gate has opened again, or in its next regular one.
create function {{hint}}(p_keys text[], p_tags text[], p_key_prefixes text[], p_tag_prefixes text[]) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now bigint := (extract(epoch from clock_timestamp()) * 1000)::bigint;
  v_opens bigint;
  v_shut integer := 20;
  v_meta {{meta}};
  v_payload text;
begin
  if current_setting('postgres_cache.act', true) = 'quiet' then
    return;
  end if;
  v_opens := (select g.last_value from {{hint_gate}} as g);
  -- Further ahead than it is ever shut for: a clock was set back, which must not mute hints until it catches up.
  if v_opens - v_now between 1 and 100 then
    return;
  end if;
  -- PREPARE TRANSACTION refuses after NOTIFY, and a full queue fails COMMIT: a caller must never notice us.
  if current_setting('postgres_cache.act', true) is distinct from 'write'
    and current_setting('max_prepared_transactions')::integer > 0 then
    return;
  end if;
  if pg_notification_queue_usage() > 0.25 then
    return;
  end if;
  select m.* into v_meta from {{meta}} as m;
  if v_now - v_opens between 0 and 5 then
    v_shut := least(greatest(25, pg_stat_get_db_numbackends((select d.oid from pg_database as d where d.datname = current_database()))), 100);
  end if;
  -- Once more, as late as can be: somebody may have passed meanwhile.
  if (select g.last_value from {{hint_gate}} as g) <> v_opens then
    return;
  end if;
  perform setval('{{hint_gate}}', v_now + v_shut);
  -- It is all that is written ahead where nothing else is logged: not worth a flush at the commit of our own write.
  if v_meta.durability = 'unlogged' and current_setting('postgres_cache.act', true) = 'write' then
    perform set_config('synchronous_commit', 'off', true);
  end if;

  if coalesce(cardinality(p_keys), 0) + coalesce(cardinality(p_tags), 0) <= 200 then
    v_payload := json_strip_nulls(json_build_object(
      'a', {{literal:address}}, 'v', 1, 'g', nullif(v_shut, 20), 'x', pg_current_xact_id()::text,
      'k', p_keys, 't', p_tags, 'kp', p_key_prefixes, 'tp', p_tag_prefixes
    ))::text;
  end if;
  -- A payload must be shorter than 8000 bytes (PostgreSQL: NOTIFY): "sync now" replaces a long list.
  if v_payload is null or octet_length(v_payload) > 7900 then
    v_payload := json_strip_nulls(json_build_object('a', {{literal:address}}, 'v', 1, 'g', nullif(v_shut, 20), 's', 1))::text;
  end if;
  perform pg_notify(v_meta.channel, v_payload);
end
$$;

-- Appends the feed row, and sends a hint.
create function {{tell}}(p_keys text[], p_tags text[], p_key_prefixes text[], p_tag_prefixes text[]) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Beyond a bound, one row that says "any key" is cheaper for everyone than a list of them.
  if cardinality(p_keys) > 10000 then
    p_keys := null;
    p_key_prefixes := array[''];
  end if;
  insert into {{feed}} (keys, tags, key_prefixes, tag_prefixes) values (p_keys, p_tags, p_key_prefixes, p_tag_prefixes);
  perform {{hint}}(p_keys, p_tags, p_key_prefixes, p_tag_prefixes);
end
$$;
-- A row that is inserted replaces nothing, so nobody can hold an older value of it: inserts tell nobody.
-- Rows that expired over a minute ago are left out; within that minute the clocks of others may still disagree.
create function {{entries_updated}}() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_keys text[];
  v_key_prefixes text[];
  v_opens bigint;
begin
  if tg_relid <> '{{entries}}'::regclass then
    raise exception 'postgres-cache: this trigger belongs to another table' using errcode = 'wrong_object_type';
  end if;
  if current_setting('postgres_cache.act', true) = 'restamp' then
    return null;
  end if;
  -- As tell(), but in one statement: every write comes here.
  insert into {{feed}} (keys, key_prefixes)
  select case when count(*) <= 10000 then array_agg(o.key) end, case when count(*) > 10000 then array[''] end
  from replaced as o
  where o.expires_at > clock_timestamp() - interval '1 minute'
  having count(*) > 0
  returning keys, key_prefixes into v_keys, v_key_prefixes;
  if not found then
    return null;
  end if;
  -- hint() looks at the gate itself; that it is mostly shut is seen here without a call. Null: it was never used.
  -- Two conditions: what holds a sub-select is run like a statement, whatever stands before it.
  v_opens := coalesce(pg_sequence_last_value('{{hint_gate}}'::regclass), 0);
  if v_opens - (extract(epoch from clock_timestamp()) * 1000)::bigint not between 1 and 100 then
    if exists (select from replaced as o where o.expires_at > clock_timestamp()) then
      perform {{hint}}(v_keys, null, v_key_prefixes, null);
    end if;
  end if;
  return null;
end
$$;
create trigger {{name:entries_updated}} after update on {{entries}}
referencing old table as replaced
for each statement execute function {{entries_updated}}();
alter table {{entries}} enable always trigger {{name:entries_updated}};

-- A present row refuses fills whose token is older than it. Whoever removes it must leave something that still does: either every such token is
-- older than the removal fence, or an invalidation takes the row's place. So even a DELETE by hand cannot bring an overwritten value back.
create function {{entries_deleted}}() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_keys text[];
begin
  if tg_relid <> '{{entries}}'::regclass then
    raise exception 'postgres-cache: this trigger belongs to another table' using errcode = 'wrong_object_type';
  end if;
  if current_setting('postgres_cache.act', true) = 'remove' then
    return null;
  end if;

  insert into {{invalidations}} (target)
  select 'k' || o.key
  from removed as o
  where not pg_visible_in_snapshot(o.written_by, (select s.removal_fence from {{state}} as s))
  order by 1;

  select array_agg(o.key) into v_keys
  from removed as o
  where o.expires_at > clock_timestamp() - interval '1 minute'
    and pg_visible_in_snapshot(o.written_by, (select s.removal_fence from {{state}} as s));
  if v_keys is not null then
    perform {{tell}}(v_keys, null, null, null);
  end if;
  return null;
end
$$;
create trigger {{name:entries_deleted}} after delete on {{entries}}
referencing old table as removed
for each statement execute function {{entries_deleted}}();
alter table {{entries}} enable always trigger {{name:entries_deleted}};

create function {{entries_truncated}}() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if current_setting('postgres_cache.act', true) is distinct from 'settle' then
    insert into {{prefix_invalidations}} (prefix) values ('k');
  end if;
  return null;
end
$$;
create trigger {{name:entries_truncated}} after truncate on {{entries}}
for each statement execute function {{entries_truncated}}();
alter table {{entries}} enable always trigger {{name:entries_truncated}};

create function {{invalidations_appended}}() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_keys text[];
  v_tags text[];
begin
  if tg_relid <> '{{invalidations}}'::regclass then
    raise exception 'postgres-cache: this trigger belongs to another table' using errcode = 'wrong_object_type';
  end if;
  select array_agg(substr(a.target, 2)) filter (where starts_with(a.target, 'k')),
    array_agg(substr(a.target, 2)) filter (where starts_with(a.target, 't'))
  into v_keys, v_tags
  from appended as a;
  if v_keys is not null or v_tags is not null then
    insert into {{invalidators}} default values on conflict do nothing;
    perform {{tell}}(v_keys, v_tags, null, null);
  end if;
  return null;
end
$$;
create trigger {{name:invalidations_appended}} after insert on {{invalidations}}
referencing new table as appended
for each statement execute function {{invalidations_appended}}();
alter table {{invalidations}} enable always trigger {{name:invalidations_appended}};

create function {{prefix_invalidations_appended}}() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key_prefixes text[];
  v_tag_prefixes text[];
begin
  if tg_relid <> '{{prefix_invalidations}}'::regclass then
    raise exception 'postgres-cache: this trigger belongs to another table' using errcode = 'wrong_object_type';
  end if;
  select array_agg(substr(a.prefix, 2)) filter (where starts_with(a.prefix, 'k')),
    array_agg(substr(a.prefix, 2)) filter (where starts_with(a.prefix, 't'))
  into v_key_prefixes, v_tag_prefixes
  from appended as a;
  if v_key_prefixes is not null or v_tag_prefixes is not null then
    insert into {{invalidators}} default values on conflict do nothing;
    perform {{tell}}(null, null, v_key_prefixes, v_tag_prefixes);
  end if;
  return null;
end
$$;
create trigger {{name:prefix_invalidations_appended}} after insert on {{prefix_invalidations}}
referencing new table as appended
for each statement execute function {{prefix_invalidations_appended}}();
alter table {{prefix_invalidations}} enable always trigger {{name:prefix_invalidations_appended}};

-- Nobody but the owner has to call these, or to make triggers of them.
revoke execute on function {{hint}}(text[], text[], text[], text[]), {{tell}}(text[], text[], text[], text[]), {{entries_updated}}(),
  {{entries_deleted}}(), {{entries_truncated}}(), {{invalidations_appended}}(), {{prefix_invalidations_appended}}() from public;
`,
  },
  {
    version: 3,
    name: 'writes',
    breaking: true,
    sql: `--! breaking
-- What the library calls outside of callers' transactions, each in a transaction of its own.
-- What these functions set ends with their transaction at the latest: they work through any pooler.

-- Where this process really is: null in recovery, else the identity that a new world is seeded with.
create function {{place}}(
  out system_identifier bigint, out database_oid oid, out entries_oid oid, out timeline text
)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if pg_is_in_recovery() then
    return;
  end if;
  -- pg_control_checkpoint() lags a promotion; the name of the current WAL file does not.
  timeline := left(pg_walfile_name(pg_current_wal_lsn()), 8);
  system_identifier := (select c.system_identifier from pg_control_system() as c);
  database_oid := (select d.oid from pg_database as d where d.datname = current_database());
  entries_oid := '{{entries}}'::regclass::oid;
end
$$;

-- Returns the world, seeding a new one where there is none or where the stored one began elsewhere: after a crash that emptied unlogged tables,
-- a promotion, a restored dump (which brings unlogged rows along, with transaction ids that mean nothing here) or a copied database. After a mere
-- restart, and a crash that logged tables have survived, the rows stay, in a new world all the same: a crash takes back the ids of transactions whose end
-- was not on disk and gives them out again, so that no cursor or token from before it may count.
-- Null in recovery, and while a prepared transaction of this database is pending, because its invalidations would be lost.
create function {{settle_world}}() returns text
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
as $$
declare
  v_place record := {{place}}();
  v_world uuid;
  v_until timestamptz := clock_timestamp() + interval '5 seconds';
begin
  if v_place.timeline is null then
    return null;
  end if;
  -- Before anything is read: whoever waited for this with a lock on a table would be waited for by the truncate below.
  perform pg_advisory_xact_lock(hashtext({{literal:address}}), hashtext('settle_world'));
  select s.world into v_world from {{settled_state}} as s;
  if found then
    return v_world::text;
  end if;

  update {{state}} as s
  set world = gen_random_uuid(), server_started_at = pg_postmaster_start_time(), path = pg_relation_filepath('{{state}}'::regclass)
  where (s.system_identifier, s.database_oid, s.entries_oid, s.timeline)
    = (v_place.system_identifier, v_place.database_oid, v_place.entries_oid, v_place.timeline)
  returning s.world into v_world;
  if found then
    insert into {{crash_sign}} default values on conflict do nothing;
    return v_world::text;
  end if;

  if exists (select from pg_prepared_xacts as p where p.database = current_database()) then
    return null;
  end if;
  perform {{act}}('settle');
  -- Callers' transactions keep the tables that they have read locked until they end, in any order, and may want others next. So none of these locks is
  -- held while another is waited for longer than statements take: nobody waits for long, and nobody is the victim of a deadlock.
  loop
    begin
      perform set_config('lock_timeout', '50ms', true);
      -- In the order in which syncs (feed, state) and reads (state, entries) lock them.
      truncate {{feed}}, {{state}}, {{entries}}, {{invalidations}}, {{prefix_invalidations}}, {{invalidators}}, {{leases}};
      exit;
    exception when lock_not_available then
      if clock_timestamp() > v_until then
        raise;
      end if;
    end;
    perform pg_sleep(0.05 + 0.1 * random());
  end loop;
  -- In a subtransaction, whose id is drawn after the snapshot: every later snapshot then has a larger xmax than the fences, or the first writes would
  -- be void. (The truncation has drawn an id already, and others may have ended since.)
  begin
    insert into {{state}} (
      world, system_identifier, database_oid, entries_oid, timeline, server_started_at, path,
      load_fence, load_fence_at, removal_fence, trim_fence, feed_floor, swept_at
    )
    values (
      gen_random_uuid(), v_place.system_identifier, v_place.database_oid, v_place.entries_oid, v_place.timeline,
      pg_postmaster_start_time(), pg_relation_filepath('{{state}}'::regclass),
      pg_current_snapshot(), clock_timestamp(), pg_current_snapshot(), pg_current_snapshot(), pg_current_snapshot(), clock_timestamp()
    )
    returning world into v_world;
  exception when unique_violation then
    raise;
  end;
  insert into {{crash_sign}} default values on conflict do nothing;
  perform {{act}}('');
  return v_world::text;
end
$$;

-- Whether anything that the snapshot could not see has invalidated the target. Of prefixes, one that has one of these lengths.
create function {{is_voided}}(p_target text, p_token pg_snapshot, p_lengths integer[]) returns boolean
language plpgsql stable
set plan_cache_mode = 'force_generic_plan'
set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (
      select from {{invalidations}} as i
      where i.target = p_target and i.txid >= pg_snapshot_xmax(p_token)
      order by i.txid desc limit 1 offset 0
    )
    or exists (
      select from pg_snapshot_xip(p_token) as unseen (txid)
      cross join lateral (
        select from {{invalidations}} as i where i.target = p_target and i.txid = unseen.txid offset 0
      ) as voiding
    )
    or p_lengths is not null and {{prefix_voids}}(p_target, null, p_token, '0', 0, p_lengths);
end
$$;

-- Opens a write of our own: refuses when the world is not the one the caller knows, and makes logged caches commit synchronously
-- (asynchronous commits brought back, after a crash, what an acknowledged write had replaced).
create function {{begin_own_write}}(p_world text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from {{settled_state}} as s where s.world::text = p_world) then
    raise exception 'postgres-cache: the world has changed' using errcode = 'PCW01';
  end if;
  -- As act(), without its call. Assigned: PERFORM would run a statement.
  p_world := set_config('postgres_cache.act', 'write', true);
  if {{literal:durability}} = 'logged' then
    p_world := set_config('synchronous_commit', 'on', true);
  end if;
end
$$;

-- Removes rows whose invalidations the same transaction has appended.
create function {{remove_rows}}(p_keys text[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform {{act}}('remove');
  delete from {{entries}} as e
  where e.key in (
    select held.key from {{entries}} as held where held.key = any (p_keys) order by held.key for update skip locked
  );
end
$$;

-- What this transaction has just set is as of now, where something that is older than its hold of the row would void it.
create function {{restamp}}(p_keys text[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set plan_cache_mode = 'force_generic_plan'
as $$
begin
  perform {{act}}('restamp');
  update {{entries}} as e
  set as_of = pg_current_snapshot()
  where e.key = any (p_keys) and e.written_by = pg_current_xact_id() and e.origin = 's'
    and (
      {{is_voided}}('k' || e.key, e.as_of, (select {{prefix_lengths}}()))
      or e.tags is not null and exists (
        select from unnest(e.tags) as tag where {{is_voided}}('t' || tag, e.as_of, (select {{prefix_lengths}}()))
      )
    );
  perform {{act}}('write');
end
$$;

-- Sets (token null) and fills (token given) of distinct keys, in the order given, which has to be the same for all callers, so that batches cannot
-- deadlock among themselves: sorting them here costs a statement 2 to 3 %. p_fresh_ms: infinite for no expiry; p_keep_ms: null for no grace. A row
-- that a caller's transaction holds raises 55P03 after p_lock_timeout; the library then leaves that key out of the batch and tries it apart.
-- Returns the version; where fills wrote nothing, because something that their load could not see overwrote or invalidated them, their keys follow
-- after a space, as JSON. One text because columns of a function in FROM cost another 2 to 3 % (PostgreSQL 18, 2026-11-30).
create function {{write_entries}}(
  p_world text, p_lock_timeout text,
  p_keys text[], p_values text[], p_bytes bytea[], p_codecs text[], p_tags text[],
  p_fresh_ms float8[], p_keep_ms float8[], p_tokens pg_snapshot[]
) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
set plan_cache_mode = 'force_generic_plan' -- sizes of arrays say nothing, and planning costs more than running
as $$
declare
  v_load_fence xid8;
  v_trim_fence xid8;
  v_newest xid8;
  v_refused text[];
  v_count bigint;
  -- The same for all rows: a call for each would cost a tenth of the statement. A snapshot from just before it is as good as its own.
  v_as_of constant pg_snapshot := pg_current_snapshot();
  v_epoch constant float8 := extract(epoch from statement_timestamp());
begin
  -- As begin_own_write(), without its call. The statement that writes looks at the world itself.
  p_lock_timeout := set_config('lock_timeout', p_lock_timeout, true);
  p_lock_timeout := set_config('postgres_cache.act', 'write', true);
  if {{literal:durability}} = 'logged' then
    p_lock_timeout := set_config('synchronous_commit', 'on', true);
  end if;

  if p_tokens is not null then
    -- A fill needs a token younger than both fences, and is not worth writing when the log voids it already.
    select pg_snapshot_xmax(s.load_fence), pg_snapshot_xmax(s.trim_fence) into v_load_fence, v_trim_fence from {{settled_state}} as s;
    v_newest := (select i.txid from {{invalidators}} as i order by i.txid desc limit 1);
    select coalesce(array_agg(i.key), '{}') into v_refused
    from unnest(p_keys, p_tags, p_tokens) as i (key, tags, token)
    where i.token is not null
      and (
        pg_snapshot_xmax(i.token) <= v_load_fence
        or pg_snapshot_xmax(i.token) <= v_trim_fence
        or pg_snapshot_xmin(i.token) <= v_newest
        and (
          {{is_voided}}('k' || i.key, i.token, (select {{prefix_lengths}}()))
          or i.tags is not null and exists (
            select from unnest(i.tags::text[]) as tag where {{is_voided}}('t' || tag, i.token, (select {{prefix_lengths}}()))
          )
        )
      );
  end if;

  insert into {{entries}} as e (
    written_by, seq, created_at, fresh_until, expires_at, origin, key, as_of, codec, tags, value, bytes
  )
  select pg_current_xact_id(),
    0, -- there are no other steps in this transaction
    statement_timestamp(),
    to_timestamp(v_epoch + i.fresh_ms / 1000),
    to_timestamp(v_epoch + coalesce(i.keep_ms, i.fresh_ms) / 1000),
    case when i.token is null then 's' else 'f' end, i.key, coalesce(i.token, v_as_of), i.codec, i.tags::text[], i.value, i.bytes
  from (select from {{settled_state}} as s where s.world::text = p_world) as known
  -- Side by side in a select list they come one by one; in FROM each list is stored away first.
  cross join (
    select unnest(p_keys) as key, unnest(p_values) as value, unnest(p_bytes) as bytes, unnest(p_codecs) as codec, unnest(p_tags) as tags,
      unnest(p_fresh_ms) as fresh_ms, unnest(p_keep_ms) as keep_ms, unnest(p_tokens) as token
    offset 0
  ) as i
  where v_refused is null or i.key <> all (v_refused)
  on conflict (key) do update
  set written_by = excluded.written_by,
    seq = excluded.seq,
    created_at = excluded.created_at,
    fresh_until = excluded.fresh_until,
    expires_at = excluded.expires_at,
    origin = excluded.origin,
    as_of = excluded.as_of,
    codec = excluded.codec,
    tags = excluded.tags,
    value = excluded.value,
    bytes = excluded.bytes
  -- The present row is a fact that the load could not know of, unless it is an older load's. Snapshots with one xmax may differ in what is in
  -- progress, so that neither counts as the older.
  where excluded.origin = 's'
    or pg_visible_in_snapshot(e.written_by, excluded.as_of)
    or e.origin = 'f' and pg_snapshot_xmax(e.as_of) < pg_snapshot_xmax(excluded.as_of);
  get diagnostics v_count = row_count;

  -- A set is as of the moment from which it holds its row. Whoever held that before, and removed it, or invalidated one of its tags, has left an
  -- invalidation that v_as_of cannot see and that does not mean this set. Where no transaction has ended meanwhile there is none; the next look is as
  -- cheap as the newest of those that appended one.
  -- Nested, because what holds a sub-select is run like a statement, whatever stands before it.
  if pg_current_snapshot()::text <> v_as_of::text then
    if exists (select from {{invalidators}} as i where i.txid >= pg_snapshot_xmin(v_as_of)) then
      perform {{restamp}}(p_keys);
    end if;
  end if;

  if v_count = cardinality(p_keys) then
    return pg_current_xact_id()::text;
  end if;
  perform {{begin_own_write}}(p_world); -- refuses another world
  v_refused := array(
    select k from unnest(p_keys) as k where not exists (select from {{entries}} as e where e.key = k and e.written_by = pg_current_xact_id())
  );
  return pg_current_xact_id()::text || ' ' || array_to_json(v_refused)::text;
end
$$;

-- Which of these keys no other transaction holds right now: the batch that follows a 55P03.
create function {{free_keys}}(p_keys text[]) returns text[]
language sql
set search_path = pg_catalog, pg_temp
as $$
  with free as materialized (
    select e.key from {{entries}} as e where e.key = any (p_keys) order by e.key for no key update skip locked
  )
  select array_agg(k)
  from unnest(p_keys) as k
  where k in (select f.key from free as f)
    or not exists (select from {{entries}} as e where e.key = k)
$$;

-- delete and invalidate of keys: append, then remove the rows that nobody holds. A row that stays, and any fill or set that could not see this,
-- is void. live: whether a valid entry was there.
create function {{remove_entries}}(p_world text, p_keys text[], out version text, out live text[])
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '100ms'
set plan_cache_mode = 'force_generic_plan'
as $$
begin
  perform {{begin_own_write}}(p_world);
  live := array(
    select k.key
    from unnest(p_keys) as k (key)
    cross join lateral (
      select from {{valid_entries}} as v where v.key = k.key and v.fresh_until > clock_timestamp() offset 0
    ) as valid
  );
  insert into {{invalidations}} (target) select 'k' || k from unnest(p_keys) as k order by 1;
  perform {{remove_rows}}(p_keys);
  version := pg_current_xact_id()::text;
end
$$;

-- Appends invalidations of tags and prefixes: one append however many entries they void. p_targets and p_prefixes carry 'k' or 't' in front.
create function {{invalidate_targets}}(p_world text, p_targets text[], p_prefixes text[], out version text)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform {{begin_own_write}}(p_world);
  if cardinality(p_targets) > 0 then
    insert into {{invalidations}} (target) select t from unnest(p_targets) as t order by 1;
  end if;
  if cardinality(p_prefixes) > 0 then
    insert into {{prefix_invalidations}} (prefix) select p from unnest(p_prefixes) as p;
  end if;
  version := pg_current_xact_id()::text;
end
$$;

-- New deadlines for valid entries: touch (a ttl; null is no expiry) and expire (stale from now on, and gone where there is no grace). The length of
-- the grace stays. The row becomes this writer's, because others hold the old deadlines under the old version. Re-stamping as_of is sound because
-- validity is judged in this very snapshot, and needed because an invalidation that the former writer made before its own set is no longer told
-- apart by written_by.
create function {{touch_entries}}(
  p_world text, p_lock_timeout text, p_keys text[], p_fresh_ms float8[], p_expire boolean,
  out version text, out touched text[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
set plan_cache_mode = 'force_generic_plan'
as $$
begin
  perform {{begin_own_write}}(p_world);
  perform set_config('lock_timeout', p_lock_timeout, true);
  -- In a statement of its own: the next one's snapshot then sees the very rows that are locked here.
  perform from {{entries}} as e where e.key = any (p_keys) order by e.key for no key update;
  with updated as (
    update {{entries}} as e
    set written_by = pg_current_xact_id(),
      seq = nextval('{{seq}}'),
      as_of = pg_current_snapshot(),
      fresh_until = t.fresh_until,
      expires_at = case when isfinite(t.fresh_until) then t.fresh_until + t.grace else 'infinity' end
    from (
      select c.key,
        case
          when p_expire then least(c.fresh_until, clock_timestamp())
          else coalesce(clock_timestamp() + i.fresh_ms * interval '1 ms', 'infinity')
        end as fresh_until,
        case when isfinite(c.fresh_until) and isfinite(c.expires_at) then c.expires_at - c.fresh_until else interval '0' end as grace
      from unnest(p_keys, p_fresh_ms) as i (key, fresh_ms)
      join {{valid_entries}} as c on c.key = i.key
      where c.expires_at > clock_timestamp()
    ) as t
    where e.key = t.key
    returning e.key
  )
  select coalesce(array_agg(u.key), '{}') into touched from updated as u;
  version := pg_current_xact_id()::text;
end
$$;

-- Lease rows: who loads a key, where no session can hold an advisory lock.
create function {{acquire_lease}}(p_key text, p_holder uuid, p_ms float8) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '100ms'
as $$
begin
  insert into {{leases}} as l (key, holder, deadline)
  values (p_key, p_holder, clock_timestamp() + p_ms * interval '1 ms')
  on conflict (key) do update set holder = excluded.holder, deadline = excluded.deadline
  where l.deadline < clock_timestamp() or l.holder = excluded.holder;
  return found;
exception when lock_not_available then
  return false;
end
$$;

create function {{release_lease}}(p_key text, p_holder uuid) returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  delete from {{leases}} as l where l.key = p_key and l.holder = p_holder
$$;
`,
  },
  {
    version: 4,
    name: 'sweep',
    breaking: true,
    sql: `--! breaking
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
`,
  },
  {
    version: 5,
    name: 'transactions',
    breaking: true,
    sql: `--! breaking
-- What runs inside callers' transactions. It commits and rolls back with them, and must never hurt them: invalidations only append, to tables on
-- which nobody waits for anybody, and read nothing, so that no isolation level finds a conflict.

-- Returns the caller's transaction id, by which the library knows when it has finished.
create function {{append_invalidations}}(p_targets text[], p_prefixes text[]) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = 0 -- what is waited for here is a new page of the table, and no failure is worth that
as $$
declare
  -- No entry has a key or tag beyond 1,024 bytes in UTF-8, which other encodings at most double; and the index of the table takes none much longer.
  v_max_bytes constant integer := 1 + case getdatabaseencoding() when 'UTF8' then 1024 else 2048 end;
begin
  if cardinality(p_targets) > 0 then
    insert into {{invalidations}} (target) select t from unnest(p_targets) as t where octet_length(t) <= v_max_bytes;
  end if;
  if cardinality(p_prefixes) > 0 then
    insert into {{prefix_invalidations}} (prefix) select p from unnest(p_prefixes) as p where octet_length(p) <= v_max_bytes;
  end if;
  return pg_current_xact_id()::text;
end
$$;

-- The same without a hint: others hear of it in their next sync.
create function {{append_quietly}}(p_targets text[], p_prefixes text[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_former constant text := {{act}}('quiet');
begin
  perform {{append_invalidations}}(p_targets, p_prefixes);
  perform {{act}}(v_former);
end
$$;

-- A set that takes effect when the caller commits. It is fenced like a fill, by the snapshot from which the caller's reads began. Where something
-- that this snapshot cannot see has written the key, or the row cannot be locked at once, the key is invalidated instead: the caller waits for at
-- most 100 ms, below deadlock_timeout, and never becomes a deadlock's victim. While a new world begins it waits until that is done, and fails not.
create function {{set_in_transaction}}(
  p_snapshot pg_snapshot, p_key text, p_value text, p_bytes bytea, p_codec text, p_tags text[],
  p_fresh_ms float8, p_keep_ms float8,
  out stored boolean, out txid text
)
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = 0 -- outside of the block that catches it; settle_world() may just be emptying the tables
as $$
declare
  v_state {{state}};
begin
  txid := pg_current_xact_id()::text;
  stored := false;
  select s.* into v_state from {{settled_state}} as s;
  -- Above READ COMMITTED the load fence is seen as it was when the transaction began. The sweep removes what a fence covers a minute after it was
  -- published: until half of that has passed, what is seen is good enough.
  if pg_snapshot_xmax(p_snapshot) > pg_snapshot_xmax(v_state.load_fence)
    and pg_snapshot_xmax(p_snapshot) > pg_snapshot_xmax(v_state.trim_fence)
    and (
      current_setting('transaction_isolation') not in ('repeatable read', 'serializable')
      or clock_timestamp() < transaction_timestamp() + interval '30 seconds'
    ) then
    begin
      perform set_config('lock_timeout', '100ms', true);
      insert into {{entries}} as e (
        written_by, seq, created_at, fresh_until, expires_at, origin, key, as_of, codec, tags, value, bytes
      )
      values (
        pg_current_xact_id(), nextval('{{seq}}'), clock_timestamp(),
        coalesce(clock_timestamp() + p_fresh_ms * interval '1 ms', 'infinity'),
        coalesce(clock_timestamp() + p_keep_ms * interval '1 ms', 'infinity'),
        't', p_key, p_snapshot, p_codec, p_tags, p_value, p_bytes
      )
      on conflict (key) do update
      set written_by = excluded.written_by,
        seq = excluded.seq,
        created_at = excluded.created_at,
        fresh_until = excluded.fresh_until,
        expires_at = excluded.expires_at,
        origin = excluded.origin,
        as_of = excluded.as_of,
        codec = excluded.codec,
        tags = excluded.tags,
        value = excluded.value,
        bytes = excluded.bytes
      where e.written_by = excluded.written_by
        or pg_visible_in_snapshot(e.written_by, excluded.as_of)
        or e.origin = 'f' and pg_snapshot_xmax(e.as_of) < pg_snapshot_xmax(excluded.as_of);
      stored := found;
    exception when lock_not_available or serialization_failure or deadlock_detected then
      stored := false;
    end;
  end if;
  if not stored then
    perform {{append_invalidations}}(array['k' || p_key], null);
  end if;
end
$$;

-- The face for SQL: psql, triggers, pg_cron, other languages. Everything takes effect when the transaction commits.

-- What may be served now, JSON as json; bytes and values of other codecs show as null.
create view {{live_entries}} as
select e.key, case when e.codec is null and e.value is not null then e.value::json end as value, e.tags, e.created_at,
  nullif(e.fresh_until, 'infinity') as fresh_until, nullif(e.expires_at, 'infinity') as expires_at
from {{valid_entries}} as e
where e.fresh_until > statement_timestamp();

-- Null: a miss. A stored JSON null is 'null'::json.
create function {{get}}(key text) returns json
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select e.value from {{live_entries}} as e where e.key = $1
$$;

-- ttl null: no expiry. False: the key was invalidated instead, because another transaction was writing it. as_of is what the value was read in, at the
-- latest the statement that calls this: leave it, and what commits while that runs is not overwritten with what it read before.
create function {{set}}(
  key text, value json, ttl interval default '5 minutes', tags text[] default null, as_of pg_snapshot default pg_current_snapshot()
) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_ms float8 := extract(epoch from ttl) * 1000;
begin
  if key is null or key = '' or value is null then
    raise exception 'postgres-cache: key and value must be given; a JSON null is ''null''::json' using errcode = 'null_value_not_allowed';
  end if;
  -- Nobody could invalidate it: append_invalidations().
  if exists (select from unnest(array[key] || tags) as k where octet_length(k) > 1024) then
    raise exception 'postgres-cache: key and tags have at most 1024 bytes: shorten them, by a digest of their end say' using errcode = 'invalid_parameter_value';
  end if;
  if v_ms <= 0 then
    raise exception 'postgres-cache: ttl must be positive, or null for no expiry, got %', ttl using errcode = 'invalid_parameter_value';
  end if;
  return (
    select s.stored
    from {{set_in_transaction}}(as_of, key, value::text, null, null, nullif(array_remove(tags, null), '{}'), v_ms, v_ms) as s
  );
end
$$;

-- How many of the keys had a live entry. Nulls count as nothing.
create function {{delete}}(variadic keys text[]) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_count bigint := (select count(*) from {{live_entries}} as e where e.key = any (keys));
begin
  perform {{append_invalidations}}(array(select distinct 'k' || k from unnest(keys) as k where k is not null), null);
  return v_count;
end
$$;

create function {{invalidate}}(variadic keys text[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform {{append_invalidations}}(array(select distinct 'k' || k from unnest(keys) as k where k is not null), null);
end
$$;

create function {{invalidate_tags}}(variadic tags text[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform {{append_invalidations}}(array(select distinct 't' || t from unnest(tags) as t where t is not null), null);
end
$$;

-- The empty prefix is every key; null is none.
create function {{invalidate_prefix}}(prefix text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform {{append_invalidations}}(null, array_remove(array['k' || prefix], null));
end
$$;

-- Removes what is expired or void, now; returns the number of rows.
create function {{prune}}() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_from bigint := 0;
  v_step record;
  v_removed bigint := 0;
begin
  perform {{settle_world}}();
  while v_from is not null loop
    v_step := {{prune_blocks}}(v_from, 64, 10000);
    v_removed := v_removed + v_step.removed;
    v_from := v_step.next;
  end loop;
  return v_removed;
end
$$;
`,
  },
  {
    version: 6,
    name: 'watch',
    breaking: true,
    sql: `--! breaking
-- Watches: statement-level triggers on callers' own tables turn every change of a row, by whatever program, into invalidations in the very
-- transaction that makes it. A pattern such as 'user:{id}' names columns in braces; a literal brace is written twice.

-- Splits a pattern into literals (odd places) and names of columns (even places).
create function {{parse_pattern}}(p_pattern text) returns text[]
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_parts text[] := array[''];
  v_in_column boolean := false;
  v_char text;
  v_next text;
  i integer := 1;
begin
  while i <= length(p_pattern) loop
    v_char := substr(p_pattern, i, 1);
    v_next := substr(p_pattern, i + 1, 1);
    if not v_in_column and v_char in ('{', '}') and v_next = v_char then
      v_parts[cardinality(v_parts)] := v_parts[cardinality(v_parts)] || v_char;
      i := i + 1;
    elsif not v_in_column and v_char = '{' or v_in_column and v_char = '}' then
      v_in_column := not v_in_column;
      v_parts := v_parts || ''::text;
    elsif v_char = '}' or v_in_column and v_char = '{' then
      raise exception 'postgres-cache: unbalanced braces in pattern %', p_pattern using errcode = 'invalid_parameter_value';
    else
      v_parts[cardinality(v_parts)] := v_parts[cardinality(v_parts)] || v_char;
    end if;
    i := i + 1;
  end loop;
  if v_in_column then
    raise exception 'postgres-cache: unbalanced braces in pattern %', p_pattern using errcode = 'invalid_parameter_value';
  end if;
  return v_parts;
end
$$;

-- Columns may be of types whose text does not depend on a session's settings: others would name another key in another session.
create function {{check_pattern}}(p_table regclass, p_pattern text) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_parts text[] := {{parse_pattern}}(p_pattern);
  v_type record;
begin
  for i in 2 .. cardinality(v_parts) by 2 loop
    select t.oid, t.typtype, a.attgenerated into v_type
    from pg_attribute as a
    join pg_type as t on t.oid = a.atttypid
    where a.attrelid = p_table and a.attname = v_parts[i] and a.attnum > 0 and not a.attisdropped;
    if not found then
      raise exception 'postgres-cache: table % has no column %, named in pattern %', p_table, quote_ident(v_parts[i]), p_pattern
        using errcode = 'undefined_column';
    end if;
    if v_type.typtype <> 'e' and v_type.oid not in (
      'smallint'::regtype, 'integer'::regtype, 'bigint'::regtype, 'text'::regtype, 'varchar'::regtype, 'uuid'::regtype, 'boolean'::regtype
    ) then
      raise exception 'postgres-cache: column % of pattern % has type %: only integers, text, varchar, uuid, boolean and enums print alike in every session',
        quote_ident(v_parts[i]), p_pattern, v_type.oid::regtype using errcode = 'datatype_mismatch';
    end if;
    if v_type.attgenerated = 'v' then
      raise exception 'postgres-cache: column % of pattern % is a virtual generated column, which triggers cannot read: name the columns it is made of, or make it STORED',
        quote_ident(v_parts[i]), p_pattern using errcode = 'wrong_object_type';
    end if;
  end loop;
end
$$;

-- The trigger of every watch. Arguments: 'hints' or 'quiet', then patterns with 'k' or 't' in front. Runs as the owner of the cache, so that a role
-- that may write the table needs no right on the cache; the patterns reach SQL quoted only.
create function {{watched}}() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = 'force_generic_plan'
as $$
declare
  v_max_targets constant integer := 1000; -- beyond it one prefix says it for all
  v_source text := case tg_op
    when 'INSERT' then 'select * from added'
    when 'UPDATE' then 'select * from removed union all select * from added'
    when 'DELETE' then 'select * from removed'
  end;
  v_any boolean := true;
  v_parts text[];
  v_expression text;
  v_type text;
  v_found text[];
  v_targets text[] := '{}';
  v_prefixes text[] := '{}';
begin
  -- In place of a transition table that is not there, a view in pg_temp would be read, and what it calls would run as the owner.
  if tg_op <> 'TRUNCATE' and not exists (
    select from pg_trigger as t
    where t.tgrelid = tg_relid and t.tgname = tg_name
      and (tg_op = 'INSERT' or t.tgoldtable = 'removed')
      and (tg_op = 'DELETE' or t.tgnewtable = 'added')
  ) then
    raise exception 'postgres-cache: % is not a trigger of watch()', tg_name using errcode = 'wrong_object_type';
  end if;
  if tg_op <> 'TRUNCATE' then
    execute format('select exists (%s)', v_source) into v_any;
  end if;
  if not v_any then
    return null;
  end if;

  for i in 1 .. tg_nargs - 1 loop
    v_parts := {{parse_pattern}}(tg_argv[i]);
    if cardinality(v_parts) = 1 then
      v_targets := v_targets || v_parts[1];
    elsif tg_op = 'TRUNCATE' then
      v_prefixes := v_prefixes || v_parts[1];
    else
      -- A null in a column names no key: the expression is null. An enum is printed as its type does: its owner may have made a cast of it, which would
      -- run as the owner of the cache.
      v_expression := quote_literal(v_parts[1]);
      for j in 2 .. cardinality(v_parts) loop
        if j % 2 = 1 then
          v_expression := v_expression || ' || ' || quote_literal(v_parts[j]);
        else
          v_type := (
            select case
                when t.typtype = 'e' then 'e'
                -- As in check_pattern(): a call would cost as much as all the rest.
                when t.oid in (
                  'smallint'::regtype, 'integer'::regtype, 'bigint'::regtype, 'text'::regtype, 'varchar'::regtype, 'uuid'::regtype, 'boolean'::regtype
                ) then 'b'
              end
            from pg_attribute as a join pg_type as t on t.oid = a.atttypid
            where a.attrelid = tg_relid and a.attname = v_parts[j] and a.attnum > 0 and a.attgenerated <> 'v'
          );
          v_expression := v_expression || ' || ' || case v_type
            when 'e' then format('case when r.%1$I is not null then format(''%%s'', r.%1$I) end', v_parts[j])
            when 'b' then format('r.%I::text', v_parts[j])
          end;
        end if;
      end loop;
      v_found := null;
      if v_expression is not null then
        -- Under a column's own collation different keys may be equal, or two columns disagree which one it is.
        execute format(
          'select array_agg(d.t) from (select distinct (%s) collate "C" as t from (%s) as r limit %s) as d where d.t is not null',
          v_expression, v_source, v_max_targets + 2
        ) into v_found;
      else
        -- The column was renamed, dropped or changed since: the caller must not notice, and too much is invalidated rather than too little.
        v_prefixes := v_prefixes || v_parts[1];
      end if;
      if cardinality(v_found) > v_max_targets then
        v_prefixes := v_prefixes || v_parts[1];
      else
        v_targets := v_targets || v_found;
      end if;
    end if;
  end loop;

  if tg_argv[0] = 'quiet' then
    perform {{append_quietly}}(v_targets, v_prefixes);
  else
    perform {{append_invalidations}}(v_targets, v_prefixes);
  end if;
  return null;
end
$$;

-- Whoever may make a trigger of it can invalidate any key.
revoke execute on function {{watched}}() from public;

-- The table itself, and what is below it, partitions or children: statement triggers of a parent do not see a statement that names one of those. In the
-- order in which PostgreSQL locks them for a statement that names the parent, so that whoever locks them all meets no writer half-way.
create function {{watched_relations}}(p_table regclass) returns setof regclass
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  with recursive tree (relation, depth, path) as (
    select p_table::oid, 0, array[p_table::oid]
    union all
    select i.inhrelid, tree.depth + 1, tree.path || i.inhrelid
    from tree
    join pg_inherits as i on i.inhparent = tree.relation
    join pg_class as c on c.oid = i.inhrelid
    where not pg_is_other_temp_schema(c.relnamespace) -- rows that nobody else can see
  )
  select relation::regclass
  from (select distinct on (relation) relation, depth, path from tree order by relation, depth, path) as found
  order by depth, path
$$;

-- Arguments of a trigger are kept as strings that each end in a zero byte.
create function {{trigger_arguments}}(p_arguments bytea) returns text[]
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_list text[] := '{}';
  v_from integer := 1;
begin
  for i in 1 .. length(p_arguments) loop
    if get_byte(p_arguments, i - 1) = 0 then
      v_list := v_list || convert_from(substr(p_arguments, v_from, i - v_from), getdatabaseencoding());
      v_from := i + 1;
    end if;
  end loop;
  return v_list;
end
$$;

-- Whether the relation has all four triggers with these arguments, and none of them is disabled.
create function {{is_watched}}(p_relation regclass, p_arguments text[]) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select count(*) = 4
  from pg_trigger as t
  where t.tgrelid = p_relation
    and t.tgfoid = '{{watched}}'::regproc
    and t.tgenabled in ('O', 'A')
    -- Encoded once, and not decoded for each of the triggers of a thousand partitions.
    and t.tgargs = (
      select string_agg(convert_to(a.argument, getdatabaseencoding()) || decode('00', 'hex'), '' order by a.place)
      from unnest(p_arguments) with ordinality as a (argument, place)
    )
$$;

-- Gives the table and all below it triggers with these arguments, in place of those it has; null: none. False: there was nothing to do. Whoever waits
-- for such a lock keeps all writers of the table waiting, and a writer could be the victim of a deadlock with it: so it waits for less than
-- deadlock_timeout, lets everybody pass, and tries again.
create function {{replace_triggers}}(p_table regclass, p_arguments text[]) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '100ms'
as $$
declare
  v_patience constant interval := '1 second'; -- below the queryTimeout of the library
  v_began constant timestamptz := clock_timestamp();
  v_name constant text := 'postgres_cache_' || left(md5({{literal:address}}), 8) || '_';
  v_call constant text := format(
    'execute function %s(%s)', '{{watched}}', (select string_agg(format('%L', a), ', ') from unnest(p_arguments) as a)
  );
  v_relation regclass;
  v_trigger name;
  v_found boolean;
begin
  loop
    if p_arguments is not null
      and not exists (select from {{watched_relations}}(p_table) as r where not {{is_watched}}(r, p_arguments)) then
      return false;
    end if;
    begin
      v_found := p_arguments is not null;
      for v_relation in select r from {{watched_relations}}(p_table) as r loop
        for v_trigger in
          select t.tgname from pg_trigger as t where t.tgrelid = v_relation and t.tgfoid = '{{watched}}'::regproc order by 1
        loop
          execute format('drop trigger %I on %s', v_trigger, v_relation);
          v_found := true;
        end loop;
        if p_arguments is not null then
          execute format('create trigger %I after insert on %s referencing new table as added for each statement %s', v_name || 'insert', v_relation, v_call);
          execute format('create trigger %I after update on %s referencing old table as removed new table as added for each statement %s', v_name || 'update', v_relation, v_call);
          execute format('create trigger %I after delete on %s referencing old table as removed for each statement %s', v_name || 'delete', v_relation, v_call);
          execute format('create trigger %I after truncate on %s for each statement %s', v_name || 'truncate', v_relation, v_call);
        end if;
      end loop;
      return v_found;
    exception
      when lock_not_available or deadlock_detected then
        if clock_timestamp() > v_began + v_patience then
          raise exception 'postgres-cache: % or a table below it is locked by another transaction: call this again when that has ended', p_table
            using errcode = 'lock_not_available';
        end if;
      -- Somebody else has made or dropped them meanwhile.
      when duplicate_object or undefined_object then
        if clock_timestamp() > v_began + v_patience then
          raise;
        end if;
    end;
    perform pg_sleep(0.02 + random() * 0.06);
  end loop;
end
$$;

-- Watches a table in place of what was watched before; what is watched like this already stays as it is. Whatever the patterns cover is invalidated
-- once, because changes made before nobody watched may have missed it. Needs ownership of the table or the TRIGGER right on it and on what is below it.
create function {{watch}}(p_table regclass, p_keys text[] default '{}', p_tags text[] default '{}', p_hints boolean default true) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_patterns text[] := array(
    select 'k' || k from unnest(p_keys) as k where k is not null
    union all
    select 't' || t from unnest(p_tags) as t where t is not null
  );
  v_given text[];
  v_other regclass;
begin
  if cardinality(v_patterns) = 0 then
    raise exception 'postgres-cache: a watch needs at least one pattern of keys or tags' using errcode = 'invalid_parameter_value';
  end if;
  if (select c.relkind not in ('r', 'p') from pg_class as c where c.oid = p_table) then
    raise exception 'postgres-cache: % is not a table', p_table using errcode = 'wrong_object_type';
  end if;
  perform {{check_pattern}}(p_table, pattern) from unnest(p_keys || p_tags) as pattern where pattern is not null;
  v_given := (case when p_hints then 'hints' else 'quiet' end)::text || v_patterns;

  select r into v_other from {{watched_relations}}(p_table) as r join pg_class as c on c.oid = r where c.relkind = 'f' limit 1;
  if found then
    raise exception 'postgres-cache: % cannot be watched, because % below it is a foreign table: PostgreSQL collects no changed rows from those, and every statement that writes % would fail; detach it first',
      p_table, v_other, p_table using errcode = 'wrong_object_type';
  end if;
  -- A relation has the triggers of one watch only: those of its parent, if that is watched.
  with recursive above (relation, depth) as (
    select i.inhparent, 1 from pg_inherits as i where i.inhrelid = p_table
    union all
    select i.inhparent, depth + 1 from above join pg_inherits as i on i.inhrelid = above.relation
  )
  select relation::regclass into v_other
  from above
  where (select c.relispartition from pg_class as c where c.oid = p_table)
    or exists (select from pg_trigger as t where t.tgrelid = relation and t.tgfoid = '{{watched}}'::regproc)
  order by depth desc
  limit 1;
  if found then
    raise exception 'postgres-cache: % is a part of %, and a watch of it alone would miss statements that name the latter: watch %, with these patterns among its own',
      p_table, v_other, v_other using errcode = 'wrong_object_type';
  end if;
  select r into v_other
  from {{watched_relations}}(p_table) as r
  join pg_trigger as t on t.tgrelid = r and t.tgfoid = '{{watched}}'::regproc
  where {{trigger_arguments}}(t.tgargs) <> v_given
    and r <> p_table
    and not exists (select from pg_trigger as p where p.tgrelid = p_table and p.tgfoid = t.tgfoid and p.tgargs = t.tgargs)
  limit 1;
  if found then
    raise exception 'postgres-cache: %, which is a part of %, is watched by itself with other patterns: call unwatch(%), and give its patterns to the watch of %',
      v_other, p_table, quote_literal(v_other), p_table using errcode = 'wrong_object_type';
  end if;

  if {{replace_triggers}}(p_table, v_given) then
    perform {{append_invalidations}}(
      array(select part[1] from unnest(v_patterns) as p, lateral (select {{parse_pattern}}(p) as part) as parsed where cardinality(part) = 1),
      array(select part[1] from unnest(v_patterns) as p, lateral (select {{parse_pattern}}(p) as part) as parsed where cardinality(part) > 1)
    );
  end if;
end
$$;

-- False: the table was not watched.
create function {{unwatch}}(p_table regclass) returns boolean
language sql
set search_path = pg_catalog, pg_temp
as $$
  select {{replace_triggers}}(p_table, null)
$$;

-- unwatched_partitions: partitions and children that were added later, and tables whose triggers are disabled, the watched one itself too: nobody hears
-- of statements that name them until watch() is called again.
create function {{watches}}(
  out table_name text, out keys text[], out tags text[], out hints boolean, out unwatched_partitions text[]
) returns setof record
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select w.relation::text,
    array(select substr(a, 2) from unnest(w.arguments[2:]) as a where starts_with(a, 'k')),
    array(select substr(a, 2) from unnest(w.arguments[2:]) as a where starts_with(a, 't')),
    w.arguments[1] = 'hints',
    array(
      select r::text
      from {{watched_relations}}(w.relation) as r
      where not {{is_watched}}(r, w.arguments)
      order by 1
    )
  from (
    select t.tgrelid::regclass as relation, {{trigger_arguments}}(t.tgargs) as arguments
    from pg_trigger as t
    where t.tgfoid = '{{watched}}'::regproc
      and t.tgname like '%\\_truncate'
      -- A part shows as its parent.
      and not exists (
        select from pg_inherits as i join pg_trigger as p on p.tgrelid = i.inhparent
        where i.inhrelid = t.tgrelid and p.tgfoid = t.tgfoid and p.tgargs = t.tgargs
      )
  ) as w
  order by 1
$$;
`,
  },
  {
    version: 7,
    name: 'atomic',
    breaking: false,
    sql: `-- Writes that depend on what is there: one key each, decided and done under the lock of its row. A row that a caller's transaction holds raises
-- 55P03 after p_lock_timeout; the library then tries again.
--
-- The row is locked in a statement of its own, so that the next one's snapshot sees the very version that is locked. What is derived from a present
-- value is stored as of the snapshot in which that value was valid: an invalidation that this snapshot could not see voids the new one, too.

-- Stores a value if nothing fresh is there (p_version null: add), or if the valid entry is of this version (compareAndSet).
create function {{write_if}}(
  p_world text, p_lock_timeout text, p_key text, p_value text, p_bytes bytea, p_codec text, p_tags text[],
  p_fresh_ms float8, p_keep_ms float8, p_version text,
  out version text, out done boolean
)
language plpgsql
set search_path = pg_catalog, pg_temp
set plan_cache_mode = 'force_generic_plan'
as $$
declare
  v_now constant timestamptz := clock_timestamp();
  v_epoch constant float8 := extract(epoch from v_now);
  v_as_of pg_snapshot;
begin
  perform {{begin_own_write}}(p_world);
  perform set_config('lock_timeout', p_lock_timeout, true);
  done := false;
  loop
    perform from {{entries}} as e where e.key = p_key for no key update;
    if found then
      update {{entries}} as e
      set written_by = pg_current_xact_id(), seq = nextval('{{seq}}'), created_at = v_now,
        fresh_until = to_timestamp(v_epoch + p_fresh_ms / 1000), expires_at = to_timestamp(v_epoch + p_keep_ms / 1000),
        origin = 's', as_of = pg_current_snapshot(), codec = p_codec, tags = p_tags, value = p_value, bytes = p_bytes
      where e.key = p_key
        and case
          when p_version is null then not exists (
            select from {{valid_entries}} as v where v.key = p_key and v.fresh_until > clock_timestamp() offset 0
          )
          else exists (
            select from {{valid_entries}} as v
            where v.key = p_key and v.expires_at > clock_timestamp() and v.written_by::text = p_version offset 0
          )
        end;
      done := found;
      exit;
    end if;
    exit when p_version is not null;

    insert into {{entries}} (
      written_by, seq, created_at, fresh_until, expires_at, origin, key, as_of, codec, tags, value, bytes
    )
    values (
      pg_current_xact_id(), nextval('{{seq}}'), v_now, to_timestamp(v_epoch + p_fresh_ms / 1000), to_timestamp(v_epoch + p_keep_ms / 1000),
      's', p_key, pg_current_snapshot(), p_codec, p_tags, p_value, p_bytes
    )
    on conflict (key) do nothing
    returning as_of into v_as_of;
    done := v_as_of is not null;
    exit when done; -- else somebody has written the row meanwhile: it is there now
  end loop;
  -- It may have waited for a row that was then rolled back, as a set does.
  if pg_current_snapshot()::text <> v_as_of::text then
    perform {{restamp}}(array[p_key]);
  end if;
  version := pg_current_xact_id()::text;
end
$$;

-- Adds to a number, which keeps its deadlines and tags; where nothing fresh is, stores p_by with the given ones. Raises PCV01 for what is no number,
-- or would be none for JavaScript.
create function {{increment_entry}}(
  p_world text, p_lock_timeout text, p_key text, p_by numeric, p_tags text[], p_fresh_ms float8, p_keep_ms float8,
  out version text, out result text
)
language plpgsql
set search_path = pg_catalog, pg_temp
set plan_cache_mode = 'force_generic_plan'
as $$
declare
  v_now constant timestamptz := clock_timestamp();
  v_epoch constant float8 := extract(epoch from v_now);
  v_as_of pg_snapshot;
  v_present record;
  v_sum numeric;
begin
  perform {{begin_own_write}}(p_world);
  perform set_config('lock_timeout', p_lock_timeout, true);
  loop
    perform from {{entries}} as e where e.key = p_key for no key update;
    exit when found;
    insert into {{entries}} (
      written_by, seq, created_at, fresh_until, expires_at, origin, key, as_of, tags, value
    )
    values (
      pg_current_xact_id(), nextval('{{seq}}'), v_now, to_timestamp(v_epoch + p_fresh_ms / 1000), to_timestamp(v_epoch + p_keep_ms / 1000),
      's', p_key, pg_current_snapshot(), p_tags, trim_scale(p_by)::text
    )
    on conflict (key) do nothing
    returning as_of into v_as_of;
    if v_as_of is not null then
      if pg_current_snapshot()::text <> v_as_of::text then
        perform {{restamp}}(array[p_key]);
      end if;
      result := trim_scale(p_by)::text;
      version := pg_current_xact_id()::text;
      return;
    end if;
  end loop;

  select v.value, v.codec, pg_current_snapshot() as as_of into v_present
  from {{valid_entries}} as v
  where v.key = p_key and v.fresh_until > clock_timestamp();
  if not found then
    result := trim_scale(p_by)::text;
    update {{entries}} as e
    set written_by = pg_current_xact_id(), seq = nextval('{{seq}}'), created_at = v_now,
      fresh_until = to_timestamp(v_epoch + p_fresh_ms / 1000), expires_at = to_timestamp(v_epoch + p_keep_ms / 1000),
      origin = 's', as_of = pg_current_snapshot(), codec = null, tags = p_tags, value = result, bytes = null
    where e.key = p_key;
  else
    if v_present.codec is not null or v_present.value is null or json_typeof(v_present.value::json) <> 'number' then
      raise exception 'postgres-cache: what is stored is not a number' using errcode = 'PCV01';
    end if;
    v_sum := v_present.value::numeric + p_by;
    if abs(v_sum) > 1.7976931348623157e308 then
      raise exception 'postgres-cache: the sum is beyond the largest number' using errcode = 'PCV01';
    end if;
    result := trim_scale(v_sum)::text;
    update {{entries}} as e
    set written_by = pg_current_xact_id(), seq = nextval('{{seq}}'), origin = 's', as_of = v_present.as_of, value = result
    where e.key = p_key;
  end if;
  version := pg_current_xact_id()::text;
end
$$;

-- Removes an entry and returns what was fresh. An invalidation takes its place, so that no older fill can.
create function {{take_entry}}(
  p_world text, p_lock_timeout text, p_key text,
  out version text, out taken boolean, out value text, out bytes bytea, out codec text
)
language plpgsql
set search_path = pg_catalog, pg_temp
set plan_cache_mode = 'force_generic_plan'
as $$
begin
  perform {{begin_own_write}}(p_world);
  perform set_config('lock_timeout', p_lock_timeout, true);
  perform from {{entries}} as e where e.key = p_key for update;
  select v.value, v.bytes, v.codec into value, bytes, codec
  from {{valid_entries}} as v
  where v.key = p_key and v.fresh_until > clock_timestamp();
  taken := found;
  if taken then
    insert into {{invalidations}} (target) values ('k' || p_key);
    perform {{act}}('remove');
    delete from {{entries}} as e where e.key = p_key;
  end if;
  version := pg_current_xact_id()::text;
end
$$;
`,
  },
]
