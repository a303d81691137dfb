// What the application is asked for: a query of realistic cost, some milliseconds on an idle server.

import type { Pool } from 'pg'

export interface Report {
  readonly name: string
  readonly country: string
  readonly population: number
  /** 1: the largest of its country. */
  readonly rank: number
  /** People in other cities within 100 km. */
  readonly neighbours: number
  readonly nearest: readonly { readonly name: string; readonly km: number }[]
}

const KM_AROUND = 100

/** Its key in the cache. */
export const keyOf = (city: number): string => `city:${city}`

/** Works the report out, and leaves a row in report_run that proves it. */
export async function workOutReport(pool: Pool, schema: string, city: number): Promise<Report> {
  const { rows } = await pool.query<Report>({
    name: 'report',
    text: `
      with here as (select * from ${schema}.city where id = $1),
      counted as (insert into ${schema}.report_run (city) values ($1)),
      around as (
        select c.name, c.population, 12742 * asin(sqrt(
            sin(radians(c.latitude - here.latitude) / 2) ^ 2
            + cos(radians(here.latitude)) * cos(radians(c.latitude)) * sin(radians(c.longitude - here.longitude) / 2) ^ 2
          )) as km
        from ${schema}.city as c, here
        where c.id <> here.id and c.latitude between here.latitude - 1 and here.latitude + 1
      )
      select here.name, here.country, here.population,
        (select count(*)::integer + 1 from ${schema}.city as c
          where c.country = here.country and c.population > here.population) as rank,
        (select coalesce(sum(population), 0)::float8 from around where km < ${KM_AROUND}) as neighbours,
        (select json_agg(n) from (select name, round(km) as km from around order by around.km limit 5) as n) as nearest
      from here`,
    values: [city],
  })
  const [report] = rows
  if (report === undefined) throw new Error(`there is no city ${city}`)
  return report
}
