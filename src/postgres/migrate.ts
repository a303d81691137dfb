// Installs, upgrades, checks and drops the schema. Migrations are numbered files under sql/, each applied once, all of them in one transaction
// behind an advisory lock: twenty processes that start at once install it once.

import { CacheError } from '../core/errors.ts'
import { quoteIdentifier, quoteLiteral } from '../core/identifier.ts'
import type { Driver, Row } from './driver.ts'
import { LOCK_NOT_AVAILABLE, sqlStateOf } from './failures.ts'
import { MIGRATIONS, type Migration } from './migrations.generated.ts'
import { type Names, renderSql } from './names.ts'
import { FUNCTION_NAMES, IS_OURS, RELATION_NAMES } from './objects.ts'
import { commandFor, explainRefusal, schemaMissing } from './schema-advice.ts'

export interface SchemaSettings {
  readonly notifyChannel: string
  readonly durability: 'unlogged' | 'logged'
}

/** What a server tells about itself and its schema before any table of ours is touched. */
export interface ServerState {
  readonly database: string
  readonly serverVersion: number
  readonly inRecovery: boolean
  readonly readCommitted: boolean
  /** 0: nothing installed. */
  readonly version: number
  /** The highest breaking migration that was applied. */
  readonly breakingVersion: number
}

type Query = (text: string, values?: unknown[]) => Promise<Row[]>

const OLDEST_SERVER = 140000
// Far longer than an installation takes.
const LOCK_TIMEOUT_MS = 10_000
const DROP_LOCK_TIMEOUT_MS = 2_000

export const LATEST_VERSION: number = MIGRATIONS.at(-1)?.version ?? 0

export async function inspectServer(driver: Driver, names: Names): Promise<ServerState> {
  const [about] = await driver.query({
    name: '',
    text: `select current_setting('server_version_num'), pg_is_in_recovery()::text, current_setting('default_transaction_isolation'),
  (select true::text from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
   where n.nspname = ${quoteLiteral(names.schema)} and c.relname = ${quoteLiteral(`${names.prefix}migrations`)}), current_database()`,
  })
  // Not by to_regclass, which fails for who may not use the schema, be it empty.
  const installed = about?.[3] != null
  const [applied] = installed ? await driver.query({ name: '', text: appliedVersions(names) }) : []
  return {
    database: about?.[4] ?? '',
    serverVersion: Number(about?.[0]),
    inRecovery: about?.[1] === 'true',
    readCommitted: about?.[2] === 'read committed',
    version: Number(applied?.[0] ?? 0),
    breakingVersion: Number(applied?.[1] ?? 0),
  }
}

/**
 * Refuses a server or schema that this release cannot work with. True: a migration that may run by itself is due. `upkeep`: what the cache was told about
 * that; `'elsewhere'` for whoever only looks.
 */
export function checkSchema(
  state: ServerState,
  names: Names,
  upkeep: 'by-itself' | 'switched-off' | 'elsewhere',
): boolean {
  if (state.serverVersion < OLDEST_SERVER) {
    throw new CacheError(
      'unsupported-server',
      `postgres-cache needs PostgreSQL 14 or newer, the server is ${Math.floor(state.serverVersion / 10_000)}.${state.serverVersion % 10_000}: upgrade it`,
    )
  }
  if (state.breakingVersion > LATEST_VERSION) {
    throw new CacheError(
      'schema-newer',
      `the schema ${names.schema} was migrated to version ${state.version} by a newer release, this one knows ${LATEST_VERSION}: upgrade postgres-cache`,
    )
  }
  if (state.version >= LATEST_VERSION) return false
  const due = MIGRATIONS.filter((migration) => migration.version > state.version)
  if (state.version === 0) {
    if (upkeep === 'by-itself') return true
    throw schemaMissing(names, upkeep === 'switched-off' ? ', or set `migrate: true`' : '')
  }
  const breaking = due.find((migration) => migration.breaking)
  if (breaking === undefined) return upkeep === 'by-itself'
  throw new CacheError(
    'schema-outdated',
    `the schema ${names.schema} has version ${state.version}, and version ${breaking.version} breaks older clients: ` +
      `when all of them are upgraded, run \`${commandFor(names, 'migrate')}\``,
  )
}

/** Applies what is missing up to `to`; returns the version afterwards. Idempotent. */
export async function migrate(
  driver: Driver,
  names: Names,
  settings: SchemaSettings,
  to: number = LATEST_VERSION,
): Promise<number> {
  if (!Number.isInteger(to) || to < 1 || to > LATEST_VERSION) {
    throw new CacheError(
      'invalid-option',
      `Expected \`to\` to be a version from 1 to ${LATEST_VERSION}, got \`${to}\``,
      { option: 'to' },
    )
  }
  try {
    return await driver.transaction((query) => applyMissing(query, names, settings, to))
  } catch (error) {
    if (sqlStateOf(error) !== LOCK_NOT_AVAILABLE) throw await explainRefusal(error, driver, names, 'migrate')
    const message = `another process has been installing or upgrading the schema ${names.schema} for ${LOCK_TIMEOUT_MS / 1000} seconds, or a transaction holds one of its tables: try again when it has ended`
    throw new CacheError('locked', message, { cause: error })
  }
}

async function applyMissing(
  query: Query,
  names: Names,
  settings: SchemaSettings,
  to: number,
): Promise<number> {
  // Whoever migrates may have been stopped in the middle of it: others must not wait for ever, nor close() for them.
  await query(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`)
  await query('select pg_advisory_xact_lock($1, 0)', [names.loadClass])
  await query(renderSql(PREAMBLE, names, settings.durability))
  const [row] = await query(appliedVersions(names))
  const from = Number(row?.[0] ?? 0)
  for (const migration of MIGRATIONS) {
    if (migration.version <= from || migration.version > to) continue
    await query(renderSql(migration.sql, names, settings.durability))
    await query(`insert into ${names.object('migrations')} (version, name, breaking) values ($1, $2, $3)`, [
      migration.version,
      migration.name,
      migration.breaking,
    ])
  }
  await query(
    `insert into ${names.object('meta')} (channel, durability) values ($1, $2) on conflict do nothing`,
    [settings.notifyChannel, settings.durability],
  )
  return Math.max(from, to)
}

const PREAMBLE = `
-- Views, defaults and signatures are bound here: to nothing that somebody has put into another schema.
set local search_path = pg_catalog, pg_temp;
do $$
begin
  -- CREATE SCHEMA IF NOT EXISTS asks for the right even where the schema exists.
  if not exists (select from pg_namespace where nspname = {{literal:schema}}) then
    create schema {{schema}};
  end if;
end
$$;
create table if not exists {{migrations}} (
  version integer primary key,
  name text not null,
  breaking boolean not null,
  applied_at timestamptz not null default clock_timestamp()
);`

const appliedVersions = (names: Names): string =>
  `select coalesce(max(version), 0)::text, coalesce(max(version) filter (where breaking), 0)::text from ${names.object('migrations')}`

/** The SQL of a migration from nothing, for migration tools and for reading. */
export function migrationSql(names: Names, settings: SchemaSettings): string {
  const steps = MIGRATIONS.map((migration: Migration) =>
    [
      `-- ${String(migration.version).padStart(4, '0')} ${migration.name}`,
      renderSql(migration.sql, names, settings.durability).trim(),
      `insert into ${names.object('migrations')} (version, name, breaking) values (${migration.version}, ${quoteLiteral(migration.name)}, ${migration.breaking});`,
    ].join('\n'),
  )
  const meta = `insert into ${names.object('meta')} (channel, durability) values (${quoteLiteral(settings.notifyChannel)}, ${quoteLiteral(settings.durability)});`
  const preamble = renderSql(PREAMBLE, names, settings.durability).trim()
  return ['begin;', preamble, ...steps, meta, 'commit;', ''].join('\n\n')
}

/** What the schema was installed with. */
export async function readSettings(driver: Driver, names: Names): Promise<SchemaSettings> {
  const [row] = await driver.query({
    name: '',
    text: `select channel, durability from ${names.object('meta')}`,
  })
  return { notifyChannel: row?.[0] ?? '', durability: row?.[1] === 'logged' ? 'logged' : 'unlogged' }
}

/** A client that was configured otherwise than the schema would not hear of changes, or would promise what the tables cannot keep. */
export async function checkSettings(driver: Driver, names: Names, settings: SchemaSettings): Promise<void> {
  const installed = await readSettings(driver, names)
  refuseMismatch('notifyChannel', settings.notifyChannel, installed.notifyChannel, names)
  refuseMismatch('durability', settings.durability, installed.durability, names)
}

function refuseMismatch(option: string, mine: string, installed: string, names: Names): void {
  if (installed === mine) return
  throw new CacheError(
    'settings-mismatch',
    `\`${option}\` is ${JSON.stringify(mine)} here, but the schema ${names.schema} was installed with ${JSON.stringify(installed)}: use the same value everywhere`,
    { option },
  )
}

/** Removes every object of this prefix, and the schema when nothing else is in it, unless it is `public` or somebody else's. */
export async function dropSchema(driver: Driver, names: Names): Promise<void> {
  try {
    await driver.transaction(async (query) => {
      await query(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`)
      await query('select pg_advisory_xact_lock($1, 0)', [names.loadClass])
      // While it waits for a table, every statement of clients waits behind it.
      await query(`set local lock_timeout = ${DROP_LOCK_TIMEOUT_MS}`)
      for (const text of dropCommands(
        await query(OWN_OBJECTS, [names.schema, names.prefix, RELATION_NAMES, FUNCTION_NAMES]),
        names,
      ))
        await query(text)
      const [left] = await query(
        `select count(*)::text from pg_namespace as n where n.nspname = $1 and n.nspname <> 'public' and pg_has_role(n.nspowner, 'usage')
           and not exists (
             select from pg_depend as d
             where d.refclassid = 'pg_namespace'::regclass and d.refobjid = n.oid and d.classid <> 'pg_default_acl'::regclass -- of sql --roles
           )`,
        [names.schema],
      )
      if (left?.[0] === '1') await query(`drop schema ${quoteIdentifier(names.schema)}`)
    })
  } catch (error) {
    if (sqlStateOf(error) !== LOCK_NOT_AVAILABLE) throw await explainRefusal(error, driver, names, 'drop')
    const message = `a transaction has been using a table of the schema ${names.schema} for ${DROP_LOCK_TIMEOUT_MS / 1000} seconds, or another process has been installing or upgrading it for ${LOCK_TIMEOUT_MS / 1000}: nothing was dropped, try again when it has ended`
    throw new CacheError('locked', message, { cause: error })
  }
}

// By exact name, so that a cache with a longer prefix in the same schema stays.
const OWN_OBJECTS = `
select c.relkind::text, c.relname::text from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = $1 and c.relkind in ('r', 'v', 'S') and c.relname in (select $2 || name from pg_catalog.unnest($3::text[]) as name)
union all
select 'f', p.oid::regprocedure::text from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
where n.nspname = $1 and p.proname in (select $2 || name from pg_catalog.unnest($4::text[]) as name) and ${IS_OURS}`

function dropCommands(objects: Row[], names: Names): string[] {
  const byKind = (kind: string): string[] =>
    objects.filter((row) => row[0] === kind).map((row) => row[1] ?? '')
  const qualify = (name: string): string => `${quoteIdentifier(names.schema)}.${quoteIdentifier(name)}`
  const views = byKind('v').map(qualify)
  return [
    // In one command, because some of them read others.
    ...(views.length === 0 ? [] : [`drop view ${views.join(', ')}`]),
    ...byKind('r').map((name) => `drop table ${qualify(name)} cascade`),
    ...byKind('f').map((signature) => `drop function if exists ${signature} cascade`),
    ...byKind('S').map((name) => `drop sequence if exists ${qualify(name)}`),
  ]
}
