-- Writes that depend on what is there: one key each, decided and done under the lock of its row. A row that a caller's transaction holds raises
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
