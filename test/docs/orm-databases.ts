// The libraries of docs/orms.md, each opened on a database and seen through one interface, so that one suite covers them all.

import { drizzle } from 'drizzle-orm/node-postgres'
import { drizzle as drizzleOnPostgresJs } from 'drizzle-orm/postgres-js'
import knex from 'knex'
import {
  CamelCasePlugin,
  type ControlledTransaction,
  Kysely,
  ParseJSONResultsPlugin,
  PostgresDialect,
} from 'kysely'
import { Pool } from 'pg'
import postgres from 'postgres'
import { DataSource } from 'typeorm'
import type { Cache, TransactionLike } from '../../src/index.ts'

type Work = () => Promise<void>

/** What a recipe of the page exports, beside its adapter. That the adapter fits the library is the compiler's to see. */
export interface Recipe {
  readonly adapt: (tx: unknown) => TransactionLike
  readonly renameUser: (db: unknown, cache: Cache, id: number, name: string) => Promise<void>
}

export interface OrmTransaction {
  readonly like: TransactionLike
  /** Runs `work` in a nested transaction, which is rolled back where it rejects. */
  readonly nested: (work: Work) => Promise<void>
}

export interface OrmDatabase {
  /** What the recipe makes of the library's handle outside of any transaction. */
  readonly outside: TransactionLike
  readonly renameUser: (cache: Cache, id: number, name: string) => Promise<void>
  /** Commits where `work` resolves, and rolls back where it rejects. */
  readonly transaction: (work: (tx: OrmTransaction) => Promise<void>) => Promise<void>
  readonly close: Work
}

export interface Orm {
  readonly name: string
  /** The function of the page. */
  readonly adapter: `from${string}` | typeof TAKEN_AS_IT_IS
  readonly open: (url: string, recipe: Recipe) => Promise<OrmDatabase>
}

/** By what the recipe is found whose transactions need no adapter. */
export const TAKEN_AS_IT_IS = `from 'typeorm'`

export const ORMS: readonly Orm[] = [
  { name: 'Drizzle on pg', adapter: 'fromDrizzle', open: openDrizzle },
  { name: 'Drizzle on postgres.js', adapter: 'fromDrizzle', open: openDrizzleOnPostgresJs },
  { name: 'Kysely', adapter: 'fromKysely', open: openKysely },
  { name: 'Knex', adapter: 'fromKnex', open: openKnex },
  { name: 'TypeORM', adapter: TAKEN_AS_IT_IS, open: openTypeOrm },
  { name: 'postgres.js', adapter: 'fromPostgresJs', open: openPostgresJs },
]

interface Drizzle {
  readonly $client: { end(): Promise<void> }
  transaction(work: (tx: Pick<Drizzle, 'transaction'>) => Promise<void>): Promise<void>
}

async function openDrizzle(url: string, recipe: Recipe): Promise<OrmDatabase> {
  return toDatabase(drizzle(url), recipe)
}

async function openDrizzleOnPostgresJs(url: string, recipe: Recipe): Promise<OrmDatabase> {
  return toDatabase(drizzleOnPostgresJs(url), recipe)
}

function toDatabase(db: Drizzle, { adapt, renameUser }: Recipe): OrmDatabase {
  return {
    outside: adapt(db),
    renameUser: (...args) => renameUser(db, ...args),
    transaction: (work) =>
      db.transaction((tx) => work({ like: adapt(tx), nested: (inner) => tx.transaction(inner) })),
    close: () => db.$client.end(),
  }
}

async function openKysely(url: string, { adapt, renameUser }: Recipe): Promise<OrmDatabase> {
  const db = new Kysely<{ users: { id: number; name: string } }>({
    dialect: new PostgresDialect({ pool: new Pool({ connectionString: url }) }),
    // Both rewrite rows.
    plugins: [new CamelCasePlugin(), new ParseJSONResultsPlugin()],
  })
  return {
    outside: adapt(db),
    renameUser: (...args) => renameUser(db, ...args),
    async transaction(work) {
      const trx = await db.startTransaction().execute()
      try {
        await work({ like: adapt(trx), nested: (inner) => inSavepoint(trx, inner) })
      } catch (error) {
        await trx.rollback().execute()
        throw error
      }
      await trx.commit().execute()
    },
    close: () => db.destroy(),
  }
}

async function inSavepoint<Tables>(trx: ControlledTransaction<Tables>, work: Work): Promise<void> {
  const nested = await trx.savepoint('nested').execute()
  try {
    await work()
  } catch (error) {
    await nested.rollbackToSavepoint('nested').execute()
    throw error
  }
  await nested.releaseSavepoint('nested').execute()
}

async function openKnex(url: string, { adapt, renameUser }: Recipe): Promise<OrmDatabase> {
  const db = knex({ client: 'pg', connection: url })
  return {
    outside: adapt(db),
    renameUser: (...args) => renameUser(db, ...args),
    transaction: (work) =>
      db.transaction((trx) => work({ like: adapt(trx), nested: (inner) => trx.transaction(inner) })),
    close: () => db.destroy(),
  }
}

async function openTypeOrm(url: string, { adapt, renameUser }: Recipe): Promise<OrmDatabase> {
  const db = await new DataSource({ type: 'postgres', url }).initialize()
  return {
    outside: adapt(db.manager),
    renameUser: (...args) => renameUser(db, ...args),
    transaction: (work) =>
      db.transaction((manager) =>
        work({ like: adapt(manager), nested: (inner) => manager.transaction(inner) }),
      ),
    close: () => db.destroy(),
  }
}

async function openPostgresJs(url: string, { adapt, renameUser }: Recipe): Promise<OrmDatabase> {
  const sql = postgres(url)
  return {
    outside: adapt(sql),
    renameUser: (...args) => renameUser(sql, ...args),
    async transaction(work) {
      await sql.begin((tx) =>
        work({
          like: adapt(tx),
          nested: async (inner) => {
            await tx.savepoint(inner)
          },
        }),
      )
    },
    close: () => sql.end(),
  }
}
