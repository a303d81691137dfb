// Changes that nothing tells of: with the triggers of the schema switched off. They fire in sessions with session_replication_role = replica, too.

type Query = (sql: string) => Promise<unknown>

export async function withoutTriggers(
  query: Query,
  schema: string,
  change: () => Promise<unknown>,
): Promise<void> {
  await query('begin')
  await query(alterTriggers(schema, 'disable'))
  await change()
  await query(alterTriggers(schema, 'enable always'))
  await query('commit')
}

const alterTriggers = (schema: string, how: string): string => `
do $$
declare
  v_trigger record;
begin
  for v_trigger in
    select t.tgrelid::regclass as relation, t.tgname
    from pg_trigger as t join pg_class as c on c.oid = t.tgrelid
    where c.relnamespace = '${schema}'::regnamespace and not t.tgisinternal
  loop
    execute format('alter table %s ${how} trigger %I', v_trigger.relation, v_trigger.tgname);
  end loop;
end
$$`
