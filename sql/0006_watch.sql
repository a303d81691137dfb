--! breaking
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
      and t.tgname like '%\_truncate'
      -- A part shows as its parent.
      and not exists (
        select from pg_inherits as i join pg_trigger as p on p.tgrelid = i.inhparent
        where i.inhrelid = t.tgrelid and p.tgfoid = t.tgfoid and p.tgargs = t.tgargs
      )
  ) as w
  order by 1
$$;
