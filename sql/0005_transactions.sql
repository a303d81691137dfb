--! breaking
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
