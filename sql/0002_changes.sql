--! breaking
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
