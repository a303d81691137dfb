// The schema without a cache: what deployments, migration tools and the command line call.

import type { CacheOptions, ResolvedOptions } from './options.ts'
import { resolveOptions } from './options.ts'
import { Driver } from './postgres/driver.ts'
import { toCacheError } from './postgres/failures.ts'
import { dropSchema, inspectServer, LATEST_VERSION, migrate, migrationSql } from './postgres/migrate.ts'
import { createNames, type Names } from './postgres/names.ts'
import { createPool } from './postgres/pool.ts'

export interface SchemaAccess {
  readonly driver: Driver
  readonly names: Names
  readonly options: ResolvedOptions
}

/** Runs `work` on a connection that is closed afterwards. */
export async function withSchema<T>(
  given: CacheOptions,
  work: (access: SchemaAccess) => Promise<T>,
): Promise<T> {
  const options = resolveOptions(given)
  const names = createNames({ schema: options.schema, prefix: options.schemaPrefix })
  const pool = createPool(options.pool, options.queryTimeoutMs, () => {})
  try {
    return await work({ driver: new Driver(pool, options), names, options })
  } catch (error) {
    throw toCacheError(error, 'schema')
  } finally {
    await pool.close()
  }
}

export function migrateSchema(options: CacheOptions, to?: number): Promise<number> {
  return withSchema(options, (access) => migrate(access.driver, access.names, access.options, to))
}

export function readSchemaVersion(options: CacheOptions): Promise<number> {
  return withSchema(options, async ({ driver, names }) => (await inspectServer(driver, names)).version)
}

export async function isSchemaCurrent(options: CacheOptions): Promise<boolean> {
  return (await readSchemaVersion(options)) >= LATEST_VERSION
}

export function removeSchema(options: CacheOptions): Promise<void> {
  return withSchema(options, ({ driver, names }) => dropSchema(driver, names))
}

export function renderMigrations(given: CacheOptions): string {
  const options = resolveOptions(given)
  return migrationSql(createNames({ schema: options.schema, prefix: options.schemaPrefix }), options)
}
