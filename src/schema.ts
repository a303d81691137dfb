// The schema without a cache: what deployments, migration tools and the command line call.

import { CacheError } from './core/errors.ts'
import { assertIdentifier } from './core/identifier.ts'
import type { CacheOptions, ResolvedOptions } from './options.ts'
import { resolveOptions } from './options.ts'
import { Driver } from './postgres/driver.ts'
import { toCacheError } from './postgres/failures.ts'
import {
  checkSchema,
  dropSchema,
  inspectServer,
  LATEST_VERSION,
  migrate,
  migrationSql,
  readSettings,
  type SchemaSettings,
  type ServerState,
} from './postgres/migrate.ts'
import { createNames, type Names } from './postgres/names.ts'
import { createPool, type ManagedPool } from './postgres/pool.ts'
import { type Roles, rolesSql } from './postgres/rights.ts'
import { explainRefusal } from './postgres/schema-advice.ts'
import { createStatements } from './postgres/statements.ts'
import { readStatus, type StoreStatus } from './postgres/status.ts'
import { Sweeper } from './postgres/sweeper.ts'

export type { StoreStatus, TableStatus, WorldStatus } from './postgres/status.ts'

export interface SchemaAccess {
  readonly driver: Driver
  readonly names: Names
  readonly options: ResolvedOptions
  readonly pool: ManagedPool
}

/** Runs `work` on a connection that is closed afterwards. A failure names the operation. */
export async function withSchema<T>(
  operation: string,
  given: CacheOptions,
  work: (access: SchemaAccess) => Promise<T>,
): Promise<T> {
  const options = resolveOptions(given)
  const names = createNames({ schema: options.schema, prefix: options.schemaPrefix })
  const pool = createPool(options.pool, options.queryTimeoutMs, () => {})
  const driver = new Driver(pool, options)
  try {
    return await work({ driver, names, options, pool })
  } catch (error) {
    throw toCacheError(error, operation)
  } finally {
    driver.close()
    await pool.close()
  }
}

export function migrateSchema(options: CacheOptions, to?: number): Promise<number> {
  return withSchema('migrate', options, (access) => migrate(access.driver, access.names, access.options, to))
}

/** What is there, and the settings it was installed with; null: nothing is installed. Who may not look may not do what follows either. */
export function inspectSchema(
  options: CacheOptions,
  before: 'migrate' | 'drop',
): Promise<ServerState & { readonly settings: SchemaSettings | null }> {
  return withSchema('inspect', options, async ({ driver, names }) => {
    try {
      const server = await inspectServer(driver, names)
      return { ...server, settings: server.version === 0 ? null : await readSettings(driver, names) }
    } catch (error) {
      throw await explainRefusal(error, driver, names, before)
    }
  })
}

export function readSchemaVersion(options: CacheOptions): Promise<number> {
  return withSchema(
    'inspect',
    options,
    async ({ driver, names }) => (await inspectServer(driver, names)).version,
  )
}

export async function isSchemaCurrent(options: CacheOptions): Promise<boolean> {
  return (await readSchemaVersion(options)) >= LATEST_VERSION
}

export function removeSchema(options: CacheOptions): Promise<void> {
  return withSchema('drop', options, ({ driver, names }) => dropSchema(driver, names))
}

export function readStoreStatus(options: CacheOptions): Promise<StoreStatus> {
  return withSchema('status', options, ({ driver, names }) => readStatus(driver, names))
}

/** Removes what is expired or void; resolves to the number of rows. */
export function pruneStore(given: CacheOptions): Promise<number> {
  return withSchema('prune', given, async ({ driver, names, options }) => {
    const server = await inspectServer(driver, names)
    checkSchema(server, names, 'elsewhere')
    if (!server.readCommitted) driver.useExplicitIsolation()
    return new Sweeper(driver, createStatements(names), options).prune()
  })
}

export function renderMigrations(given: CacheOptions): string {
  const options = resolveOptions(given)
  return migrationSql(createNames({ schema: options.schema, prefix: options.schemaPrefix }), options)
}

/** The SQL of two roles: one that owns and migrates the schema, one that uses it. */
export function renderRoles(given: CacheOptions, roles: Partial<Roles> = {}): string {
  const { schema, schemaPrefix: prefix } = resolveOptions(given)
  const { owner = 'postgres_cache_owner', application = 'postgres_cache_application' } = roles
  assertIdentifier(owner, 'owner')
  assertIdentifier(application, 'application')
  if (owner === application) {
    throw new CacheError('invalid-option', 'Expected `owner` and `application` to be two roles, got one', {
      option: 'application',
    })
  }
  return rolesSql(createNames({ schema, prefix }), { owner, application })
}
