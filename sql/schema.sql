-- What a fresh install creates with the default options on PostgreSQL 18. Made by `npm run schema:dump`; not run by anything.

create schema postgres_cache;

create sequence postgres_cache.hint_gate as bigint start 1 increment 1 minvalue 1 maxvalue 9223372036854775807 cache 1;

create sequence postgres_cache.seq as bigint start 1 increment 1 minvalue 1 maxvalue 9223372036854775807 cache 10000;

create unlogged table postgres_cache.crash_sign (
  singleton boolean not null default true
);

create unlogged table postgres_cache.entries (
  written_by xid8 not null,
  seq bigint not null,
  created_at timestamp with time zone not null,
  fresh_until timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  origin "char" not null,
  key text collate "C" not null,
  as_of pg_snapshot not null,
  codec text,
  tags text[] collate "C",
  value text,
  bytes bytea
) with (
  fillfactor=85,
  autovacuum_vacuum_scale_factor=0.1,
  autovacuum_vacuum_threshold=1000,
  autovacuum_vacuum_insert_scale_factor=0.5,
  autovacuum_analyze_threshold=2147483647,
  autovacuum_vacuum_cost_delay=0
);

create unlogged table postgres_cache.feed (
  txid xid8 not null default pg_current_xact_id(),
  keys text[] collate "C",
  tags text[] collate "C",
  key_prefixes text[] collate "C",
  tag_prefixes text[] collate "C"
) with (
  autovacuum_analyze_threshold=2147483647
);

create unlogged table postgres_cache.invalidations (
  txid xid8 not null default pg_current_xact_id(),
  seq bigint not null default nextval('postgres_cache.seq'::regclass),
  target text collate "C" not null
);

create unlogged table postgres_cache.invalidators (
  txid xid8 not null default pg_current_xact_id()
);

create unlogged table postgres_cache.leases (
  key text collate "C" not null,
  holder uuid not null,
  deadline timestamp with time zone not null
);

create table postgres_cache.meta (
  singleton boolean not null default true,
  channel text not null,
  durability text not null,
  installed_at timestamp with time zone not null default clock_timestamp()
);

create table postgres_cache.migrations (
  version integer not null,
  name text not null,
  breaking boolean not null,
  applied_at timestamp with time zone not null default clock_timestamp()
);

create unlogged table postgres_cache.prefix_invalidations (
  txid xid8 not null default pg_current_xact_id(),
  seq bigint not null default nextval('postgres_cache.seq'::regclass),
  prefix text collate "C" not null
);

create unlogged table postgres_cache.state (
  singleton boolean not null default true,
  world uuid not null,
  system_identifier bigint not null,
  database_oid oid not null,
  entries_oid oid not null,
  timeline text not null,
  server_started_at timestamp with time zone not null,
  path text not null,
  load_candidate pg_snapshot,
  load_candidate_at timestamp with time zone,
  load_fence pg_snapshot not null,
  load_fence_at timestamp with time zone not null,
  removal_fence pg_snapshot not null,
  trim_candidate pg_snapshot,
  trim_candidate_at timestamp with time zone,
  trim_fence pg_snapshot not null,
  feed_candidate pg_snapshot,
  feed_candidate_at timestamp with time zone,
  feed_floor pg_snapshot not null,
  hand bigint not null default 0,
  rounds bigint not null default 0,
  trim_rounds_left integer not null default 0,
  swept_at timestamp with time zone not null
) with (
  fillfactor=50
);

alter table postgres_cache.crash_sign add constraint crash_sign_singleton_check CHECK (singleton);

alter table postgres_cache.crash_sign add constraint crash_sign_pkey PRIMARY KEY (singleton);

alter table postgres_cache.entries add constraint entries_pkey PRIMARY KEY (key);

alter table postgres_cache.invalidators add constraint invalidators_pkey PRIMARY KEY (txid);

alter table postgres_cache.leases add constraint leases_pkey PRIMARY KEY (key);

alter table postgres_cache.meta add constraint meta_durability_check CHECK ((durability = ANY (ARRAY['unlogged'::text, 'logged'::text])));

alter table postgres_cache.meta add constraint meta_singleton_check CHECK (singleton);

alter table postgres_cache.meta add constraint meta_pkey PRIMARY KEY (singleton);

alter table postgres_cache.migrations add constraint migrations_pkey PRIMARY KEY (version);

alter table postgres_cache.state add constraint state_singleton_check CHECK (singleton);

alter table postgres_cache.state add constraint state_pkey PRIMARY KEY (singleton);

CREATE INDEX feed_txid_idx ON postgres_cache.feed USING btree (txid);

CREATE INDEX invalidations_target_txid_idx ON postgres_cache.invalidations USING btree (target, txid);

CREATE INDEX prefix_invalidations_prefix_txid_idx ON postgres_cache.prefix_invalidations USING btree ("left"(prefix, 1), char_length(prefix), prefix, txid);

CREATE INDEX prefix_invalidations_txid_idx ON postgres_cache.prefix_invalidations USING btree (txid);

CREATE OR REPLACE FUNCTION postgres_cache.acquire_lease(p_key text, p_holder uuid, p_ms double precision)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET lock_timeout TO '100ms'
AS $function$
begin
  insert into "postgres_cache"."leases" as l (key, holder, deadline)
  values (p_key, p_holder, clock_timestamp() + p_ms * interval '1 ms')
  on conflict (key) do update set holder = excluded.holder, deadline = excluded.deadline
  where l.deadline < clock_timestamp() or l.holder = excluded.holder;
  return found;
exception when lock_not_available then
  return false;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.act(p_act text)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_former constant text := coalesce(current_setting('postgres_cache.act', true), '');
begin
  -- Assigned: PERFORM would run a statement.
  p_act := set_config('postgres_cache.act', p_act, true);
  return v_former;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.append_invalidations(p_targets text[], p_prefixes text[])
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET lock_timeout TO '0'
AS $function$
declare
  -- No entry has a key or tag beyond 1,024 bytes in UTF-8, which other encodings at most double; and the index of the table takes none much longer.
  v_max_bytes constant integer := 1 + case getdatabaseencoding() when 'UTF8' then 1024 else 2048 end;
begin
  if cardinality(p_targets) > 0 then
    insert into "postgres_cache"."invalidations" (target) select t from unnest(p_targets) as t where octet_length(t) <= v_max_bytes;
  end if;
  if cardinality(p_prefixes) > 0 then
    insert into "postgres_cache"."prefix_invalidations" (prefix) select p from unnest(p_prefixes) as p where octet_length(p) <= v_max_bytes;
  end if;
  return pg_current_xact_id()::text;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.append_quietly(p_targets text[], p_prefixes text[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_former constant text := "postgres_cache"."act"('quiet');
begin
  perform "postgres_cache"."append_invalidations"(p_targets, p_prefixes);
  perform "postgres_cache"."act"(v_former);
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.begin_own_write(p_world text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if not exists (select from "postgres_cache"."settled_state" as s where s.world::text = p_world) then
    raise exception 'postgres-cache: the world has changed' using errcode = 'PCW01';
  end if;
  -- As act(), without its call. Assigned: PERFORM would run a statement.
  p_world := set_config('postgres_cache.act', 'write', true);
  if 'unlogged' = 'logged' then
    p_world := set_config('synchronous_commit', 'on', true);
  end if;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.begin_sweep(p_interval_ms double precision, p_load_timeout_ms double precision, p_feed_keep_ms double precision)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET lock_timeout TO '1s'
AS $function$
declare
  v_now timestamptz := clock_timestamp();
  v_elected boolean;
begin
  -- No entry is valid until the world is settled, and none is void.
  if not exists (select from "postgres_cache"."settled_state") then
    return false;
  end if;
  update "postgres_cache"."state" as s
  set swept_at = v_now
  from (
    select c.singleton from "postgres_cache"."state" as c
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
  update "postgres_cache"."state" as s
  set removal_fence = s.load_fence
  where s.load_fence_at <= v_now - interval '1 minute' and pg_snapshot_xmax(s.load_fence) > pg_snapshot_xmax(s.removal_fence);
  update "postgres_cache"."state" as s
  set load_fence = s.load_candidate, load_fence_at = v_now, load_candidate = null, load_candidate_at = null
  where s.load_candidate_at <= v_now - p_load_timeout_ms * interval '1 ms'
    -- The previous fence stays until it has become the removal fence, or a steady tick would never let one grow a minute old.
    and pg_snapshot_xmax(s.load_fence) <= pg_snapshot_xmax(s.removal_fence);
  update "postgres_cache"."state" as s
  set load_candidate = pg_current_snapshot(), load_candidate_at = v_now
  where s.load_candidate is null;

  update "postgres_cache"."state" as s
  set feed_floor = s.feed_candidate, feed_candidate = null, feed_candidate_at = null
  where s.feed_candidate_at <= v_now - p_feed_keep_ms * interval '1 ms';
  update "postgres_cache"."state" as s
  set feed_candidate = pg_current_snapshot(), feed_candidate_at = v_now
  where s.feed_candidate is null;

  delete from "postgres_cache"."leases" as l where l.deadline < v_now - interval '1 minute';
  return true;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.begin_trim(p_max_invalidations bigint)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_bound bigint;
  -- Each costs reads of older entries a look.
  v_max_lengths constant integer := 64;
begin
  if exists (select from "postgres_cache"."state" as s where s.trim_candidate is not null) then
    return true;
  end if;
  v_bound := greatest(
    p_max_invalidations,
    (select c.reltuples / 10 from pg_class as c where c.oid = '"postgres_cache"."entries"'::regclass)::bigint
  );
  if (select count(*) from (select from "postgres_cache"."invalidations" limit v_bound) as counted) < v_bound
    and (select count(*) from (select from "postgres_cache"."prefix_invalidations" limit v_bound) as counted) < v_bound
    and coalesce(cardinality("postgres_cache"."prefix_lengths"()), 0) <= v_max_lengths then
    return false;
  end if;
  update "postgres_cache"."state" as s
  -- The hand starts a new round: two wraps from here every block has been visited whole.
  set trim_candidate = pg_current_snapshot(), trim_candidate_at = clock_timestamp(), trim_rounds_left = 2;
  return true;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.check_pattern(p_table regclass, p_pattern text)
 RETURNS void
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_parts text[] := "postgres_cache"."parse_pattern"(p_pattern);
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
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.delete(VARIADIC keys text[])
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_count bigint := (select count(*) from "postgres_cache"."live_entries" as e where e.key = any (keys));
begin
  perform "postgres_cache"."append_invalidations"(array(select distinct 'k' || k from unnest(keys) as k where k is not null), null);
  return v_count;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.end_trim(p_load_timeout_ms double precision)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  update "postgres_cache"."state" as s
  set trim_fence = s.trim_candidate, trim_candidate = null, trim_candidate_at = null
  where s.trim_candidate is not null
    and s.trim_rounds_left = 0
    and s.trim_candidate_at <= clock_timestamp() - p_load_timeout_ms * interval '1 ms';
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.entries_deleted()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_keys text[];
begin
  if tg_relid <> '"postgres_cache"."entries"'::regclass then
    raise exception 'postgres-cache: this trigger belongs to another table' using errcode = 'wrong_object_type';
  end if;
  if current_setting('postgres_cache.act', true) = 'remove' then
    return null;
  end if;

  insert into "postgres_cache"."invalidations" (target)
  select 'k' || o.key
  from removed as o
  where not pg_visible_in_snapshot(o.written_by, (select s.removal_fence from "postgres_cache"."state" as s))
  order by 1;

  select array_agg(o.key) into v_keys
  from removed as o
  where o.expires_at > clock_timestamp() - interval '1 minute'
    and pg_visible_in_snapshot(o.written_by, (select s.removal_fence from "postgres_cache"."state" as s));
  if v_keys is not null then
    perform "postgres_cache"."tell"(v_keys, null, null, null);
  end if;
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.entries_truncated()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if current_setting('postgres_cache.act', true) is distinct from 'settle' then
    insert into "postgres_cache"."prefix_invalidations" (prefix) values ('k');
  end if;
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.entries_updated()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_keys text[];
  v_key_prefixes text[];
  v_opens bigint;
begin
  if tg_relid <> '"postgres_cache"."entries"'::regclass then
    raise exception 'postgres-cache: this trigger belongs to another table' using errcode = 'wrong_object_type';
  end if;
  if current_setting('postgres_cache.act', true) = 'restamp' then
    return null;
  end if;
  -- As tell(), but in one statement: every write comes here.
  insert into "postgres_cache"."feed" (keys, key_prefixes)
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
  v_opens := coalesce(pg_sequence_last_value('"postgres_cache"."hint_gate"'::regclass), 0);
  if v_opens - (extract(epoch from clock_timestamp()) * 1000)::bigint not between 1 and 100 then
    if exists (select from replaced as o where o.expires_at > clock_timestamp()) then
      perform "postgres_cache"."hint"(v_keys, null, v_key_prefixes, null);
    end if;
  end if;
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.evict_blocks(p_from bigint, p_blocks bigint, p_limit integer, p_expired boolean)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_fence constant pg_snapshot := (select s.removal_fence from "postgres_cache"."state" as s);
  v_rows tid[];
  v_deleted bigint;
  v_stripped bigint;
begin
  -- Locked in a statement of its own: the next one's snapshot then sees the very rows that are locked here.
  select array_agg(e.ctid) into v_rows
  from (
    select c.ctid
    from "postgres_cache"."entries" as c
    where c.ctid >= format('(%s,0)', p_from)::tid
      and c.ctid < format('(%s,0)', p_from + p_blocks)::tid
      and (c.expires_at > clock_timestamp()) <> p_expired
      and num_nonnulls(c.value, c.bytes) > 0
    order by c.written_by
    limit p_limit
    for update skip locked
  ) as e;
  delete from "postgres_cache"."entries" as e where e.ctid = any (v_rows) and pg_visible_in_snapshot(e.written_by, v_fence);
  get diagnostics v_deleted = row_count;
  update "postgres_cache"."entries" as e
  set fresh_until = 'epoch', expires_at = 'epoch', codec = null, tags = null, value = null, bytes = null
  where e.ctid = any (v_rows);
  get diagnostics v_stripped = row_count;
  return v_deleted + v_stripped;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.forget_changes(p_from xid8, p_limit integer)
 RETURNS xid8
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
declare
  v_floor pg_snapshot := (select s.feed_floor from "postgres_cache"."state" as s where s.singleton);
  v_rows tid[];
  v_last xid8;
begin
  select array_agg(c.row), (array_agg(c.txid))[p_limit] into v_rows, v_last
  from (
    select f.ctid as row, f.txid from "postgres_cache"."feed" as f
    where f.txid >= p_from and f.txid < pg_snapshot_xmax(v_floor) and pg_visible_in_snapshot(f.txid, v_floor)
    order by f.txid limit p_limit
  ) as c;
  delete from "postgres_cache"."feed" as f where f.ctid = any (v_rows);
  return v_last;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.forget_invalidations(p_limit integer)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_state "postgres_cache"."state";
  v_count bigint;
  v_most bigint := 0;
begin
  select s.* into v_state from "postgres_cache"."state" as s;
  delete from "postgres_cache"."invalidations" as i
  where i.ctid = any (array(
    select c.ctid from "postgres_cache"."invalidations" as c where pg_visible_in_snapshot(c.txid, v_state.trim_fence) limit p_limit
  ));
  get diagnostics v_count = row_count;
  v_most := greatest(v_most, v_count);
  -- The newest stays, here and below: while a transaction is left open, reads would have to step over all that are gone. One row of it: as many lengths as
  -- make a trim necessary may be of one transaction.
  delete from "postgres_cache"."prefix_invalidations" as p
  where p.ctid = any (array(
    select c.ctid from "postgres_cache"."prefix_invalidations" as c
    where pg_visible_in_snapshot(c.txid, v_state.trim_fence)
      and c.ctid <> (select n.ctid from "postgres_cache"."prefix_invalidations" as n order by n.txid desc limit 1)
    limit p_limit
  ));
  get diagnostics v_count = row_count;
  v_most := greatest(v_most, v_count);
  delete from "postgres_cache"."invalidators" as i
  where i.ctid = any (array(
    select c.ctid from "postgres_cache"."invalidators" as c
    where pg_visible_in_snapshot(c.txid, v_state.trim_fence) and c.txid < (select n.txid from "postgres_cache"."invalidators" as n order by n.txid desc limit 1)
    limit p_limit
  ));
  get diagnostics v_count = row_count;
  return greatest(v_most, v_count) = p_limit;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.free_keys(p_keys text[])
 RETURNS text[]
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  with free as materialized (
    select e.key from "postgres_cache"."entries" as e where e.key = any (p_keys) order by e.key for no key update skip locked
  )
  select array_agg(k)
  from unnest(p_keys) as k
  where k in (select f.key from free as f)
    or not exists (select from "postgres_cache"."entries" as e where e.key = k)
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.get(key text)
 RETURNS json
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select e.value from "postgres_cache"."live_entries" as e where e.key = $1
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.hint(p_keys text[], p_tags text[], p_key_prefixes text[], p_tag_prefixes text[])
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_now bigint := (extract(epoch from clock_timestamp()) * 1000)::bigint;
  v_opens bigint;
  v_shut integer := 20;
  v_meta "postgres_cache"."meta";
  v_payload text;
begin
  if current_setting('postgres_cache.act', true) = 'quiet' then
    return;
  end if;
  v_opens := (select g.last_value from "postgres_cache"."hint_gate" as g);
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
  select m.* into v_meta from "postgres_cache"."meta" as m;
  if v_now - v_opens between 0 and 5 then
    v_shut := least(greatest(25, pg_stat_get_db_numbackends((select d.oid from pg_database as d where d.datname = current_database()))), 100);
  end if;
  -- Once more, as late as can be: somebody may have passed meanwhile.
  if (select g.last_value from "postgres_cache"."hint_gate" as g) <> v_opens then
    return;
  end if;
  perform setval('"postgres_cache"."hint_gate"', v_now + v_shut);
  -- It is all that is written ahead where nothing else is logged: not worth a flush at the commit of our own write.
  if v_meta.durability = 'unlogged' and current_setting('postgres_cache.act', true) = 'write' then
    perform set_config('synchronous_commit', 'off', true);
  end if;

  if coalesce(cardinality(p_keys), 0) + coalesce(cardinality(p_tags), 0) <= 200 then
    v_payload := json_strip_nulls(json_build_object(
      'a', 'postgres_cache.', 'v', 1, 'g', nullif(v_shut, 20), 'x', pg_current_xact_id()::text,
      'k', p_keys, 't', p_tags, 'kp', p_key_prefixes, 'tp', p_tag_prefixes
    ))::text;
  end if;
  -- A payload must be shorter than 8000 bytes (PostgreSQL: NOTIFY): "sync now" replaces a long list.
  if v_payload is null or octet_length(v_payload) > 7900 then
    v_payload := json_strip_nulls(json_build_object('a', 'postgres_cache.', 'v', 1, 'g', nullif(v_shut, 20), 's', 1))::text;
  end if;
  perform pg_notify(v_meta.channel, v_payload);
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.increment_entry(p_world text, p_lock_timeout text, p_key text, p_by numeric, p_tags text[], p_fresh_ms double precision, p_keep_ms double precision, OUT version text, OUT result text)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
declare
  v_now constant timestamptz := clock_timestamp();
  v_epoch constant float8 := extract(epoch from v_now);
  v_as_of pg_snapshot;
  v_present record;
  v_sum numeric;
begin
  perform "postgres_cache"."begin_own_write"(p_world);
  perform set_config('lock_timeout', p_lock_timeout, true);
  loop
    perform from "postgres_cache"."entries" as e where e.key = p_key for no key update;
    exit when found;
    insert into "postgres_cache"."entries" (
      written_by, seq, created_at, fresh_until, expires_at, origin, key, as_of, tags, value
    )
    values (
      pg_current_xact_id(), nextval('"postgres_cache"."seq"'), v_now, to_timestamp(v_epoch + p_fresh_ms / 1000), to_timestamp(v_epoch + p_keep_ms / 1000),
      's', p_key, pg_current_snapshot(), p_tags, trim_scale(p_by)::text
    )
    on conflict (key) do nothing
    returning as_of into v_as_of;
    if v_as_of is not null then
      if pg_current_snapshot()::text <> v_as_of::text then
        perform "postgres_cache"."restamp"(array[p_key]);
      end if;
      result := trim_scale(p_by)::text;
      version := pg_current_xact_id()::text;
      return;
    end if;
  end loop;

  select v.value, v.codec, pg_current_snapshot() as as_of into v_present
  from "postgres_cache"."valid_entries" as v
  where v.key = p_key and v.fresh_until > clock_timestamp();
  if not found then
    result := trim_scale(p_by)::text;
    update "postgres_cache"."entries" as e
    set written_by = pg_current_xact_id(), seq = nextval('"postgres_cache"."seq"'), created_at = v_now,
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
    update "postgres_cache"."entries" as e
    set written_by = pg_current_xact_id(), seq = nextval('"postgres_cache"."seq"'), origin = 's', as_of = v_present.as_of, value = result
    where e.key = p_key;
  end if;
  version := pg_current_xact_id()::text;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.invalidate(VARIADIC keys text[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform "postgres_cache"."append_invalidations"(array(select distinct 'k' || k from unnest(keys) as k where k is not null), null);
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.invalidate_prefix(prefix text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform "postgres_cache"."append_invalidations"(null, array_remove(array['k' || prefix], null));
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.invalidate_tags(VARIADIC tags text[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform "postgres_cache"."append_invalidations"(array(select distinct 't' || t from unnest(tags) as t where t is not null), null);
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.invalidate_targets(p_world text, p_targets text[], p_prefixes text[], OUT version text)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform "postgres_cache"."begin_own_write"(p_world);
  if cardinality(p_targets) > 0 then
    insert into "postgres_cache"."invalidations" (target) select t from unnest(p_targets) as t order by 1;
  end if;
  if cardinality(p_prefixes) > 0 then
    insert into "postgres_cache"."prefix_invalidations" (prefix) select p from unnest(p_prefixes) as p;
  end if;
  version := pg_current_xact_id()::text;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.invalidations_appended()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_keys text[];
  v_tags text[];
begin
  if tg_relid <> '"postgres_cache"."invalidations"'::regclass then
    raise exception 'postgres-cache: this trigger belongs to another table' using errcode = 'wrong_object_type';
  end if;
  select array_agg(substr(a.target, 2)) filter (where starts_with(a.target, 'k')),
    array_agg(substr(a.target, 2)) filter (where starts_with(a.target, 't'))
  into v_keys, v_tags
  from appended as a;
  if v_keys is not null or v_tags is not null then
    insert into "postgres_cache"."invalidators" default values on conflict do nothing;
    perform "postgres_cache"."tell"(v_keys, v_tags, null, null);
  end if;
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.is_voided(p_target text, p_token pg_snapshot, p_lengths integer[])
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
 SET plan_cache_mode TO 'force_generic_plan'
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return exists (
      select from "postgres_cache"."invalidations" as i
      where i.target = p_target and i.txid >= pg_snapshot_xmax(p_token)
      order by i.txid desc limit 1 offset 0
    )
    or exists (
      select from pg_snapshot_xip(p_token) as unseen (txid)
      cross join lateral (
        select from "postgres_cache"."invalidations" as i where i.target = p_target and i.txid = unseen.txid offset 0
      ) as voiding
    )
    or p_lengths is not null and "postgres_cache"."prefix_voids"(p_target, null, p_token, '0', 0, p_lengths);
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.is_watched(p_relation regclass, p_arguments text[])
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select count(*) = 4
  from pg_trigger as t
  where t.tgrelid = p_relation
    and t.tgfoid = '"postgres_cache"."watched"'::regproc
    and t.tgenabled in ('O', 'A')
    -- Encoded once, and not decoded for each of the triggers of a thousand partitions.
    and t.tgargs = (
      select string_agg(convert_to(a.argument, getdatabaseencoding()) || decode('00', 'hex'), '' order by a.place)
      from unnest(p_arguments) with ordinality as a (argument, place)
    )
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.parse_pattern(p_pattern text)
 RETURNS text[]
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.place(OUT system_identifier bigint, OUT database_oid oid, OUT entries_oid oid, OUT timeline text)
 RETURNS record
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if pg_is_in_recovery() then
    return;
  end if;
  -- pg_control_checkpoint() lags a promotion; the name of the current WAL file does not.
  timeline := left(pg_walfile_name(pg_current_wal_lsn()), 8);
  system_identifier := (select c.system_identifier from pg_control_system() as c);
  database_oid := (select d.oid from pg_database as d where d.datname = current_database());
  entries_oid := '"postgres_cache"."entries"'::regclass::oid;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.prefix_invalidations_appended()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_key_prefixes text[];
  v_tag_prefixes text[];
begin
  if tg_relid <> '"postgres_cache"."prefix_invalidations"'::regclass then
    raise exception 'postgres-cache: this trigger belongs to another table' using errcode = 'wrong_object_type';
  end if;
  select array_agg(substr(a.prefix, 2)) filter (where starts_with(a.prefix, 'k')),
    array_agg(substr(a.prefix, 2)) filter (where starts_with(a.prefix, 't'))
  into v_key_prefixes, v_tag_prefixes
  from appended as a;
  if v_key_prefixes is not null or v_tag_prefixes is not null then
    insert into "postgres_cache"."invalidators" default values on conflict do nothing;
    perform "postgres_cache"."tell"(null, null, v_key_prefixes, v_tag_prefixes);
  end if;
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.prefix_lengths()
 RETURNS integer[]
 LANGUAGE plpgsql
 STABLE PARALLEL SAFE SECURITY DEFINER
 SET enable_seqscan TO 'off'
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return (
    with recursive known (kind, length) as (
      (
        select left(p.prefix, 1), char_length(p.prefix) from "postgres_cache"."prefix_invalidations" as p
        order by left(p.prefix, 1), char_length(p.prefix) limit 1
      )
      union all
      select further.kind, further.length
      from known
      cross join lateral (
        select left(p.prefix, 1) as kind, char_length(p.prefix) as length from "postgres_cache"."prefix_invalidations" as p
        where (left(p.prefix, 1), char_length(p.prefix)) > (known.kind, known.length)
        order by left(p.prefix, 1), char_length(p.prefix) limit 1
      ) as further
    )
    select array_agg(case known.kind when 'k' then known.length else -known.length end) from known
  );
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.prefix_voids(p_target text, p_tags text[], p_as_of pg_snapshot, p_written_by xid8, p_seq bigint, p_lengths integer[])
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE PARALLEL SAFE SECURITY DEFINER
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
        select from "postgres_cache"."prefix_invalidations" as i
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
      select from "postgres_cache"."prefix_invalidations" as i
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
      select from "postgres_cache"."prefix_invalidations" as i
      where left(i.prefix, 1) = left(target, 1) and char_length(i.prefix) = abs(l) and i.prefix = left(target, abs(l))
        and i.txid = unseen.txid and (i.txid <> p_written_by or i.seq > p_seq)
      offset 0
    ) as voiding
    where (l > 0) = starts_with(target, 'k') and abs(l) <= char_length(target)
  );
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.prune()
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_from bigint := 0;
  v_step record;
  v_removed bigint := 0;
begin
  perform "postgres_cache"."settle_world"();
  while v_from is not null loop
    v_step := "postgres_cache"."prune_blocks"(v_from, 64, 10000);
    v_removed := v_removed + v_step.removed;
    v_from := v_step.next;
  end loop;
  return v_removed;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.prune_blocks(p_from bigint, p_blocks bigint, p_limit integer, OUT removed bigint, OUT next bigint)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_pages bigint := pg_relation_size('"postgres_cache"."entries"') / current_setting('block_size')::bigint;
  v_keys text[];
begin
  removed := 0;
  if not exists (select from "postgres_cache"."settled_state") then
    return;
  end if;
  select array_agg(c.key) into v_keys
  from (
    select e.key
    from "postgres_cache"."entries" as e
    where e.ctid >= format('(%s,0)', least(p_from, v_pages))::tid
      and e.ctid < format('(%s,0)', least(p_from + p_blocks, v_pages))::tid
      and (
        e.expires_at <= clock_timestamp()
        or not exists (select from "postgres_cache"."valid_entries" as v where v.key = e.key offset 0)
      )
    limit p_limit
    for update skip locked
  ) as c;
  -- Judged again in a snapshot that sees what is locked: a set that committed in between stays.
  delete from "postgres_cache"."entries" as e
  where e.key = any (v_keys)
    and (
      e.expires_at <= clock_timestamp()
      or not exists (select from "postgres_cache"."valid_entries" as v where v.key = e.key offset 0)
    );
  get diagnostics removed = row_count;
  next := case
    when cardinality(v_keys) = p_limit then p_from
    when p_from + p_blocks < v_pages then p_from + p_blocks
  end;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.release_lease(p_key text, p_holder uuid)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  delete from "postgres_cache"."leases" as l where l.key = p_key and l.holder = p_holder
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.remove_entries(p_world text, p_keys text[], OUT version text, OUT live text[])
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET lock_timeout TO '100ms'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
begin
  perform "postgres_cache"."begin_own_write"(p_world);
  live := array(
    select k.key
    from unnest(p_keys) as k (key)
    cross join lateral (
      select from "postgres_cache"."valid_entries" as v where v.key = k.key and v.fresh_until > clock_timestamp() offset 0
    ) as valid
  );
  insert into "postgres_cache"."invalidations" (target) select 'k' || k from unnest(p_keys) as k order by 1;
  perform "postgres_cache"."remove_rows"(p_keys);
  version := pg_current_xact_id()::text;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.remove_rows(p_keys text[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform "postgres_cache"."act"('remove');
  delete from "postgres_cache"."entries" as e
  where e.key in (
    select held.key from "postgres_cache"."entries" as held where held.key = any (p_keys) order by held.key for update skip locked
  );
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.remove_swept(p_keys text[], p_fence pg_snapshot)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_trim_fence constant pg_snapshot := (select s.trim_fence from "postgres_cache"."state" as s);
  v_former constant text := "postgres_cache"."act"('remove');
  v_count bigint;
  v_told bigint;
begin
  delete from "postgres_cache"."entries" as e
  where e.key = any (p_keys)
    and pg_visible_in_snapshot(e.written_by, p_fence)
    and (
      e.expires_at <= clock_timestamp() - interval '1 minute'
      or pg_snapshot_xmax(e.as_of) > pg_snapshot_xmax(v_trim_fence)
        and not exists (select from "postgres_cache"."valid_entries" as v where v.key = e.key offset 0)
    );
  get diagnostics v_count = row_count;
  perform "postgres_cache"."act"(v_former);
  delete from "postgres_cache"."entries" as e
  where e.key = any (p_keys)
    and pg_visible_in_snapshot(e.written_by, p_fence)
    and pg_snapshot_xmax(e.as_of) <= pg_snapshot_xmax(v_trim_fence);
  get diagnostics v_told = row_count;
  return v_count + v_told;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.replace_triggers(p_table regclass, p_arguments text[])
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET lock_timeout TO '100ms'
AS $function$
declare
  v_patience constant interval := '1 second'; -- below the queryTimeout of the library
  v_began constant timestamptz := clock_timestamp();
  v_name constant text := 'postgres_cache_' || left(md5('postgres_cache.'), 8) || '_';
  v_call constant text := format(
    'execute function %s(%s)', '"postgres_cache"."watched"', (select string_agg(format('%L', a), ', ') from unnest(p_arguments) as a)
  );
  v_relation regclass;
  v_trigger name;
  v_found boolean;
begin
  loop
    if p_arguments is not null
      and not exists (select from "postgres_cache"."watched_relations"(p_table) as r where not "postgres_cache"."is_watched"(r, p_arguments)) then
      return false;
    end if;
    begin
      v_found := p_arguments is not null;
      for v_relation in select r from "postgres_cache"."watched_relations"(p_table) as r loop
        for v_trigger in
          select t.tgname from pg_trigger as t where t.tgrelid = v_relation and t.tgfoid = '"postgres_cache"."watched"'::regproc order by 1
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
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.restamp(p_keys text[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
begin
  perform "postgres_cache"."act"('restamp');
  update "postgres_cache"."entries" as e
  set as_of = pg_current_snapshot()
  where e.key = any (p_keys) and e.written_by = pg_current_xact_id() and e.origin = 's'
    and (
      "postgres_cache"."is_voided"('k' || e.key, e.as_of, (select "postgres_cache"."prefix_lengths"()))
      or e.tags is not null and exists (
        select from unnest(e.tags) as tag where "postgres_cache"."is_voided"('t' || tag, e.as_of, (select "postgres_cache"."prefix_lengths"()))
      )
    );
  perform "postgres_cache"."act"('write');
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.set(key text, value json, ttl interval DEFAULT '00:05:00'::interval, tags text[] DEFAULT NULL::text[], as_of pg_snapshot DEFAULT pg_current_snapshot())
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
    from "postgres_cache"."set_in_transaction"(as_of, key, value::text, null, null, nullif(array_remove(tags, null), '{}'), v_ms, v_ms) as s
  );
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.set_in_transaction(p_snapshot pg_snapshot, p_key text, p_value text, p_bytes bytea, p_codec text, p_tags text[], p_fresh_ms double precision, p_keep_ms double precision, OUT stored boolean, OUT txid text)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET lock_timeout TO '0'
AS $function$
declare
  v_state "postgres_cache"."state";
begin
  txid := pg_current_xact_id()::text;
  stored := false;
  select s.* into v_state from "postgres_cache"."settled_state" as s;
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
      insert into "postgres_cache"."entries" as e (
        written_by, seq, created_at, fresh_until, expires_at, origin, key, as_of, codec, tags, value, bytes
      )
      values (
        pg_current_xact_id(), nextval('"postgres_cache"."seq"'), clock_timestamp(),
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
    perform "postgres_cache"."append_invalidations"(array['k' || p_key], null);
  end if;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.settle_world()
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET lock_timeout TO '5s'
AS $function$
declare
  v_place record := "postgres_cache"."place"();
  v_world uuid;
  v_until timestamptz := clock_timestamp() + interval '5 seconds';
begin
  if v_place.timeline is null then
    return null;
  end if;
  -- Before anything is read: whoever waited for this with a lock on a table would be waited for by the truncate below.
  perform pg_advisory_xact_lock(hashtext('postgres_cache.'), hashtext('settle_world'));
  select s.world into v_world from "postgres_cache"."settled_state" as s;
  if found then
    return v_world::text;
  end if;

  update "postgres_cache"."state" as s
  set world = gen_random_uuid(), server_started_at = pg_postmaster_start_time(), path = pg_relation_filepath('"postgres_cache"."state"'::regclass)
  where (s.system_identifier, s.database_oid, s.entries_oid, s.timeline)
    = (v_place.system_identifier, v_place.database_oid, v_place.entries_oid, v_place.timeline)
  returning s.world into v_world;
  if found then
    insert into "postgres_cache"."crash_sign" default values on conflict do nothing;
    return v_world::text;
  end if;

  if exists (select from pg_prepared_xacts as p where p.database = current_database()) then
    return null;
  end if;
  perform "postgres_cache"."act"('settle');
  -- Callers' transactions keep the tables that they have read locked until they end, in any order, and may want others next. So none of these locks is
  -- held while another is waited for longer than statements take: nobody waits for long, and nobody is the victim of a deadlock.
  loop
    begin
      perform set_config('lock_timeout', '50ms', true);
      -- In the order in which syncs (feed, state) and reads (state, entries) lock them.
      truncate "postgres_cache"."feed", "postgres_cache"."state", "postgres_cache"."entries", "postgres_cache"."invalidations", "postgres_cache"."prefix_invalidations", "postgres_cache"."invalidators", "postgres_cache"."leases";
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
    insert into "postgres_cache"."state" (
      world, system_identifier, database_oid, entries_oid, timeline, server_started_at, path,
      load_fence, load_fence_at, removal_fence, trim_fence, feed_floor, swept_at
    )
    values (
      gen_random_uuid(), v_place.system_identifier, v_place.database_oid, v_place.entries_oid, v_place.timeline,
      pg_postmaster_start_time(), pg_relation_filepath('"postgres_cache"."state"'::regclass),
      pg_current_snapshot(), clock_timestamp(), pg_current_snapshot(), pg_current_snapshot(), pg_current_snapshot(), clock_timestamp()
    )
    returning world into v_world;
  exception when unique_violation then
    raise;
  end;
  insert into "postgres_cache"."crash_sign" default values on conflict do nothing;
  perform "postgres_cache"."act"('');
  return v_world::text;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.sweep_blocks(p_blocks bigint, p_limit integer, OUT removed bigint, OUT wrapped boolean)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_state "postgres_cache"."state";
  v_pages bigint := pg_relation_size('"postgres_cache"."entries"') / current_setting('block_size')::bigint;
  v_from tid;
  v_to tid;
  v_keys text[];
begin
  removed := 0;
  wrapped := false;
  select s.* into v_state from "postgres_cache"."state" as s where exists (select from "postgres_cache"."settled_state") for update skip locked;
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
    from "postgres_cache"."entries" as c
    where c.ctid >= v_from and c.ctid < v_to
      and pg_visible_in_snapshot(c.written_by, v_state.removal_fence)
      and (
        c.expires_at <= clock_timestamp() - interval '1 minute'
        or not exists (select from "postgres_cache"."valid_entries" as v where v.key = c.key offset 0)
      )
    limit p_limit
    for update skip locked
  ) as e;
  if v_keys is not null then
    removed := "postgres_cache"."remove_swept"(v_keys, v_state.removal_fence);
  end if;
  if cardinality(v_keys) = p_limit then
    return; -- the hand stays: there may be more in these blocks
  end if;

  if v_state.trim_candidate is not null then
    select array_agg(e.key) into v_keys
    from (
      select c.key
      from "postgres_cache"."entries" as c
      where c.ctid >= v_from and c.ctid < v_to
        and pg_snapshot_xmax(c.as_of) <= pg_snapshot_xmax(v_state.trim_candidate)
        and exists (select from "postgres_cache"."valid_entries" as v where v.key = c.key offset 0)
      for no key update skip locked
    ) as e;
    perform "postgres_cache"."act"('restamp');
    -- written_by stays: a HOT update that changes no value.
    update "postgres_cache"."entries" as e
    set as_of = pg_current_snapshot()
    where e.key = any (v_keys)
      and pg_snapshot_xmax(e.as_of) <= pg_snapshot_xmax(v_state.trim_candidate)
      and exists (select from "postgres_cache"."valid_entries" as v where v.key = e.key offset 0);
  end if;

  wrapped := v_state.hand + p_blocks >= v_pages;
  update "postgres_cache"."state" as s
  set hand = case when wrapped then 0 else s.hand + p_blocks end,
    rounds = s.rounds + wrapped::integer,
    trim_rounds_left = greatest(s.trim_rounds_left - wrapped::integer, 0);
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.take_entry(p_world text, p_lock_timeout text, p_key text, OUT version text, OUT taken boolean, OUT value text, OUT bytes bytea, OUT codec text)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
begin
  perform "postgres_cache"."begin_own_write"(p_world);
  perform set_config('lock_timeout', p_lock_timeout, true);
  perform from "postgres_cache"."entries" as e where e.key = p_key for update;
  select v.value, v.bytes, v.codec into value, bytes, codec
  from "postgres_cache"."valid_entries" as v
  where v.key = p_key and v.fresh_until > clock_timestamp();
  taken := found;
  if taken then
    insert into "postgres_cache"."invalidations" (target) values ('k' || p_key);
    perform "postgres_cache"."act"('remove');
    delete from "postgres_cache"."entries" as e where e.key = p_key;
  end if;
  version := pg_current_xact_id()::text;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.tell(p_keys text[], p_tags text[], p_key_prefixes text[], p_tag_prefixes text[])
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  -- Beyond a bound, one row that says "any key" is cheaper for everyone than a list of them.
  if cardinality(p_keys) > 10000 then
    p_keys := null;
    p_key_prefixes := array[''];
  end if;
  insert into "postgres_cache"."feed" (keys, tags, key_prefixes, tag_prefixes) values (p_keys, p_tags, p_key_prefixes, p_tag_prefixes);
  perform "postgres_cache"."hint"(p_keys, p_tags, p_key_prefixes, p_tag_prefixes);
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.touch_entries(p_world text, p_lock_timeout text, p_keys text[], p_fresh_ms double precision[], p_expire boolean, OUT version text, OUT touched text[])
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
begin
  perform "postgres_cache"."begin_own_write"(p_world);
  perform set_config('lock_timeout', p_lock_timeout, true);
  -- In a statement of its own: the next one's snapshot then sees the very rows that are locked here.
  perform from "postgres_cache"."entries" as e where e.key = any (p_keys) order by e.key for no key update;
  with updated as (
    update "postgres_cache"."entries" as e
    set written_by = pg_current_xact_id(),
      seq = nextval('"postgres_cache"."seq"'),
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
      join "postgres_cache"."valid_entries" as c on c.key = i.key
      where c.expires_at > clock_timestamp()
    ) as t
    where e.key = t.key
    returning e.key
  )
  select coalesce(array_agg(u.key), '{}') into touched from updated as u;
  version := pg_current_xact_id()::text;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.trigger_arguments(p_arguments bytea)
 RETURNS text[]
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.unwatch(p_table regclass)
 RETURNS boolean
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select "postgres_cache"."replace_triggers"(p_table, null)
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.usage(OUT entries double precision, OUT bytes double precision, OUT stub_bytes double precision, OUT valued double precision, OUT expired double precision, OUT value_bytes double precision)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_blocks constant float8 := greatest(pg_relation_size('"postgres_cache"."entries"') / current_setting('block_size')::bigint, 1024);
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
    from "postgres_cache"."entries" as c
    where c.ctid >= format('(%s,0)', stretch.block)::tid and c.ctid < format('(%s,0)', stretch.block + 8)::tid
    offset 0
  ) as e;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.watch(p_table regclass, p_keys text[] DEFAULT '{}'::text[], p_tags text[] DEFAULT '{}'::text[], p_hints boolean DEFAULT true)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
  perform "postgres_cache"."check_pattern"(p_table, pattern) from unnest(p_keys || p_tags) as pattern where pattern is not null;
  v_given := (case when p_hints then 'hints' else 'quiet' end)::text || v_patterns;

  select r into v_other from "postgres_cache"."watched_relations"(p_table) as r join pg_class as c on c.oid = r where c.relkind = 'f' limit 1;
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
    or exists (select from pg_trigger as t where t.tgrelid = relation and t.tgfoid = '"postgres_cache"."watched"'::regproc)
  order by depth desc
  limit 1;
  if found then
    raise exception 'postgres-cache: % is a part of %, and a watch of it alone would miss statements that name the latter: watch %, with these patterns among its own',
      p_table, v_other, v_other using errcode = 'wrong_object_type';
  end if;
  select r into v_other
  from "postgres_cache"."watched_relations"(p_table) as r
  join pg_trigger as t on t.tgrelid = r and t.tgfoid = '"postgres_cache"."watched"'::regproc
  where "postgres_cache"."trigger_arguments"(t.tgargs) <> v_given
    and r <> p_table
    and not exists (select from pg_trigger as p where p.tgrelid = p_table and p.tgfoid = t.tgfoid and p.tgargs = t.tgargs)
  limit 1;
  if found then
    raise exception 'postgres-cache: %, which is a part of %, is watched by itself with other patterns: call unwatch(%), and give its patterns to the watch of %',
      v_other, p_table, quote_literal(v_other), p_table using errcode = 'wrong_object_type';
  end if;

  if "postgres_cache"."replace_triggers"(p_table, v_given) then
    perform "postgres_cache"."append_invalidations"(
      array(select part[1] from unnest(v_patterns) as p, lateral (select "postgres_cache"."parse_pattern"(p) as part) as parsed where cardinality(part) = 1),
      array(select part[1] from unnest(v_patterns) as p, lateral (select "postgres_cache"."parse_pattern"(p) as part) as parsed where cardinality(part) > 1)
    );
  end if;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.watched()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
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
    v_parts := "postgres_cache"."parse_pattern"(tg_argv[i]);
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
    perform "postgres_cache"."append_quietly"(v_targets, v_prefixes);
  else
    perform "postgres_cache"."append_invalidations"(v_targets, v_prefixes);
  end if;
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.watched_relations(p_table regclass)
 RETURNS SETOF regclass
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.watches(OUT table_name text, OUT keys text[], OUT tags text[], OUT hints boolean, OUT unwatched_partitions text[])
 RETURNS SETOF record
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select w.relation::text,
    array(select substr(a, 2) from unnest(w.arguments[2:]) as a where starts_with(a, 'k')),
    array(select substr(a, 2) from unnest(w.arguments[2:]) as a where starts_with(a, 't')),
    w.arguments[1] = 'hints',
    array(
      select r::text
      from "postgres_cache"."watched_relations"(w.relation) as r
      where not "postgres_cache"."is_watched"(r, w.arguments)
      order by 1
    )
  from (
    select t.tgrelid::regclass as relation, "postgres_cache"."trigger_arguments"(t.tgargs) as arguments
    from pg_trigger as t
    where t.tgfoid = '"postgres_cache"."watched"'::regproc
      and t.tgname like '%\_truncate'
      -- A part shows as its parent.
      and not exists (
        select from pg_inherits as i join pg_trigger as p on p.tgrelid = i.inhparent
        where i.inhrelid = t.tgrelid and p.tgfoid = t.tgfoid and p.tgargs = t.tgargs
      )
  ) as w
  order by 1
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.write_entries(p_world text, p_lock_timeout text, p_keys text[], p_values text[], p_bytes bytea[], p_codecs text[], p_tags text[], p_fresh_ms double precision[], p_keep_ms double precision[], p_tokens pg_snapshot[])
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
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
  if 'unlogged' = 'logged' then
    p_lock_timeout := set_config('synchronous_commit', 'on', true);
  end if;

  if p_tokens is not null then
    -- A fill needs a token younger than both fences, and is not worth writing when the log voids it already.
    select pg_snapshot_xmax(s.load_fence), pg_snapshot_xmax(s.trim_fence) into v_load_fence, v_trim_fence from "postgres_cache"."settled_state" as s;
    v_newest := (select i.txid from "postgres_cache"."invalidators" as i order by i.txid desc limit 1);
    select coalesce(array_agg(i.key), '{}') into v_refused
    from unnest(p_keys, p_tags, p_tokens) as i (key, tags, token)
    where i.token is not null
      and (
        pg_snapshot_xmax(i.token) <= v_load_fence
        or pg_snapshot_xmax(i.token) <= v_trim_fence
        or pg_snapshot_xmin(i.token) <= v_newest
        and (
          "postgres_cache"."is_voided"('k' || i.key, i.token, (select "postgres_cache"."prefix_lengths"()))
          or i.tags is not null and exists (
            select from unnest(i.tags::text[]) as tag where "postgres_cache"."is_voided"('t' || tag, i.token, (select "postgres_cache"."prefix_lengths"()))
          )
        )
      );
  end if;

  insert into "postgres_cache"."entries" as e (
    written_by, seq, created_at, fresh_until, expires_at, origin, key, as_of, codec, tags, value, bytes
  )
  select pg_current_xact_id(),
    0, -- there are no other steps in this transaction
    statement_timestamp(),
    to_timestamp(v_epoch + i.fresh_ms / 1000),
    to_timestamp(v_epoch + coalesce(i.keep_ms, i.fresh_ms) / 1000),
    case when i.token is null then 's' else 'f' end, i.key, coalesce(i.token, v_as_of), i.codec, i.tags::text[], i.value, i.bytes
  from (select from "postgres_cache"."settled_state" as s where s.world::text = p_world) as known
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
    if exists (select from "postgres_cache"."invalidators" as i where i.txid >= pg_snapshot_xmin(v_as_of)) then
      perform "postgres_cache"."restamp"(p_keys);
    end if;
  end if;

  if v_count = cardinality(p_keys) then
    return pg_current_xact_id()::text;
  end if;
  perform "postgres_cache"."begin_own_write"(p_world); -- refuses another world
  v_refused := array(
    select k from unnest(p_keys) as k where not exists (select from "postgres_cache"."entries" as e where e.key = k and e.written_by = pg_current_xact_id())
  );
  return pg_current_xact_id()::text || ' ' || array_to_json(v_refused)::text;
end
$function$;

CREATE OR REPLACE FUNCTION postgres_cache.write_if(p_world text, p_lock_timeout text, p_key text, p_value text, p_bytes bytea, p_codec text, p_tags text[], p_fresh_ms double precision, p_keep_ms double precision, p_version text, OUT version text, OUT done boolean)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
declare
  v_now constant timestamptz := clock_timestamp();
  v_epoch constant float8 := extract(epoch from v_now);
  v_as_of pg_snapshot;
begin
  perform "postgres_cache"."begin_own_write"(p_world);
  perform set_config('lock_timeout', p_lock_timeout, true);
  done := false;
  loop
    perform from "postgres_cache"."entries" as e where e.key = p_key for no key update;
    if found then
      update "postgres_cache"."entries" as e
      set written_by = pg_current_xact_id(), seq = nextval('"postgres_cache"."seq"'), created_at = v_now,
        fresh_until = to_timestamp(v_epoch + p_fresh_ms / 1000), expires_at = to_timestamp(v_epoch + p_keep_ms / 1000),
        origin = 's', as_of = pg_current_snapshot(), codec = p_codec, tags = p_tags, value = p_value, bytes = p_bytes
      where e.key = p_key
        and case
          when p_version is null then not exists (
            select from "postgres_cache"."valid_entries" as v where v.key = p_key and v.fresh_until > clock_timestamp() offset 0
          )
          else exists (
            select from "postgres_cache"."valid_entries" as v
            where v.key = p_key and v.expires_at > clock_timestamp() and v.written_by::text = p_version offset 0
          )
        end;
      done := found;
      exit;
    end if;
    exit when p_version is not null;

    insert into "postgres_cache"."entries" (
      written_by, seq, created_at, fresh_until, expires_at, origin, key, as_of, codec, tags, value, bytes
    )
    values (
      pg_current_xact_id(), nextval('"postgres_cache"."seq"'), v_now, to_timestamp(v_epoch + p_fresh_ms / 1000), to_timestamp(v_epoch + p_keep_ms / 1000),
      's', p_key, pg_current_snapshot(), p_codec, p_tags, p_value, p_bytes
    )
    on conflict (key) do nothing
    returning as_of into v_as_of;
    done := v_as_of is not null;
    exit when done; -- else somebody has written the row meanwhile: it is there now
  end loop;
  -- It may have waited for a row that was then rolled back, as a set does.
  if pg_current_snapshot()::text <> v_as_of::text then
    perform "postgres_cache"."restamp"(array[p_key]);
  end if;
  version := pg_current_xact_id()::text;
end
$function$;

create view postgres_cache.fenced_entries as
 SELECT written_by,
    seq,
    created_at,
    fresh_until,
    expires_at,
    origin,
    key,
    as_of,
    codec,
    tags,
    value,
    bytes,
    (pg_snapshot_xmin(as_of) > COALESCE(( SELECT i.txid
           FROM postgres_cache.invalidators i
          ORDER BY i.txid DESC
         LIMIT 1), '0'::xid8)) AS is_undisputed
   FROM postgres_cache.entries e
  WHERE (pg_snapshot_xmax(as_of) > ( SELECT pg_snapshot_xmax(s.trim_fence) AS pg_snapshot_xmax
           FROM postgres_cache.settled_state s));

create view postgres_cache.live_entries as
 SELECT key,
        CASE
            WHEN ((codec IS NULL) AND (value IS NOT NULL)) THEN (value)::json
            ELSE NULL::json
        END AS value,
    tags,
    created_at,
    NULLIF(fresh_until, 'infinity'::timestamp with time zone) AS fresh_until,
    NULLIF(expires_at, 'infinity'::timestamp with time zone) AS expires_at
   FROM postgres_cache.valid_entries e
  WHERE (fresh_until > statement_timestamp());

create view postgres_cache.settled_state as
 SELECT singleton,
    world,
    system_identifier,
    database_oid,
    entries_oid,
    timeline,
    server_started_at,
    path,
    load_candidate,
    load_candidate_at,
    load_fence,
    load_fence_at,
    removal_fence,
    trim_candidate,
    trim_candidate_at,
    trim_fence,
    feed_candidate,
    feed_candidate_at,
    feed_floor,
    hand,
    rounds,
    trim_rounds_left,
    swept_at
   FROM postgres_cache.state s
  WHERE ((server_started_at = pg_postmaster_start_time()) AND (path = pg_relation_filepath('postgres_cache.state'::regclass)) AND (('unlogged'::text = 'unlogged'::text) OR (EXISTS ( SELECT
           FROM postgres_cache.crash_sign))));

create view postgres_cache.valid_entries as
 SELECT written_by,
    seq,
    created_at,
    fresh_until,
    expires_at,
    origin,
    key,
    as_of,
    codec,
    tags,
    value,
    bytes,
    is_undisputed
   FROM postgres_cache.fenced_entries e
  WHERE (is_undisputed OR (NOT ((EXISTS ( SELECT
           FROM postgres_cache.invalidations i
          WHERE ((i.target = ('k'::text || e.key)) AND (i.txid >= pg_snapshot_xmax(e.as_of)) AND ((i.txid <> e.written_by) OR (i.seq > e.seq)))
          ORDER BY i.txid DESC
         OFFSET 0
         LIMIT 1)) OR ((tags IS NOT NULL) AND (EXISTS ( SELECT
           FROM (unnest(e.tags) tag(tag)
             CROSS JOIN LATERAL ( SELECT
                   FROM postgres_cache.invalidations i
                  WHERE ((i.target = ('t'::text || tag.tag)) AND (i.txid >= pg_snapshot_xmax(e.as_of)) AND ((i.txid <> e.written_by) OR (i.seq > e.seq)))
                  ORDER BY i.txid DESC
                 LIMIT 1) voiding)))) OR (((origin = 't'::"char") OR (pg_snapshot_xmin(as_of) <> pg_snapshot_xmax(as_of))) AND (EXISTS ( SELECT
           FROM ((( SELECT ('k'::text || e.key) AS target
                UNION ALL
                 SELECT ('t'::text || tag.tag)
                   FROM unnest(e.tags) tag(tag)) named
             CROSS JOIN ( SELECT e.written_by AS txid
                UNION ALL
                 SELECT pg_snapshot_xip(e.as_of) AS pg_snapshot_xip) unseen)
             CROSS JOIN LATERAL ( SELECT
                   FROM postgres_cache.invalidations i
                  WHERE ((i.target = named.target) AND (i.txid = unseen.txid) AND ((i.txid <> e.written_by) OR (i.seq > e.seq)))
                 OFFSET 0) voiding)))) OR ((pg_snapshot_xmin(as_of) <= COALESCE(( SELECT p.txid
           FROM postgres_cache.prefix_invalidations p
          ORDER BY p.txid DESC
         LIMIT 1), '0'::xid8)) AND postgres_cache.prefix_voids(('k'::text || key), tags, as_of, written_by, seq, ( SELECT postgres_cache.prefix_lengths() AS prefix_lengths))))));

CREATE TRIGGER entries_deleted AFTER DELETE ON postgres_cache.entries REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION postgres_cache.entries_deleted() /* enabled: A */;

CREATE TRIGGER entries_truncated AFTER TRUNCATE ON postgres_cache.entries FOR EACH STATEMENT EXECUTE FUNCTION postgres_cache.entries_truncated() /* enabled: A */;

CREATE TRIGGER entries_updated AFTER UPDATE ON postgres_cache.entries REFERENCING OLD TABLE AS replaced FOR EACH STATEMENT EXECUTE FUNCTION postgres_cache.entries_updated() /* enabled: A */;

CREATE TRIGGER invalidations_appended AFTER INSERT ON postgres_cache.invalidations REFERENCING NEW TABLE AS appended FOR EACH STATEMENT EXECUTE FUNCTION postgres_cache.invalidations_appended() /* enabled: A */;

CREATE TRIGGER prefix_invalidations_appended AFTER INSERT ON postgres_cache.prefix_invalidations REFERENCING NEW TABLE AS appended FOR EACH STATEMENT EXECUTE FUNCTION postgres_cache.prefix_invalidations_appended() /* enabled: A */;

revoke all on function postgres_cache.entries_deleted() from public;

revoke all on function postgres_cache.entries_truncated() from public;

revoke all on function postgres_cache.entries_updated() from public;

revoke all on function postgres_cache.hint(text[],text[],text[],text[]) from public;

revoke all on function postgres_cache.invalidations_appended() from public;

revoke all on function postgres_cache.prefix_invalidations_appended() from public;

revoke all on function postgres_cache.tell(text[],text[],text[],text[]) from public;

revoke all on function postgres_cache.watched() from public;

comment on column postgres_cache.entries.as_of is 'everything visible in this snapshot was known to whoever made the value';

comment on column postgres_cache.entries.origin is 's: set, as of its own statement; f: filled by a load, as of its token; t: set in a caller''s transaction, as of withTransaction()';
