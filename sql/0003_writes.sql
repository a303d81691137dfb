--! breaking
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
