// What the table looks like at a moment: counted row by row, and as the server's statistics tell.

import pg from 'pg'
import type { Address } from '../contender.ts'

export interface Sample {
  readonly seconds: number
  readonly live: number
  /** Past their deadline, with their value. */
  readonly expired: number
  /** Without one. */
  readonly stubs: number
  /** Expired, behind the removal fence, and not removed yet. */
  readonly due: number
  /** Of the rows, as the caps count them. */
  readonly rowBytes: number
  readonly dead: number
  readonly heapBytes: number
  readonly indexBytes: number
  readonly toastBytes: number
  readonly feedRows: number
  readonly feedBytes: number
  /** Invalidations, and the transactions that made them. */
  readonly logRows: number
  readonly logBytes: number
  /** Of the updates since the last sample. */
  readonly hotShare: number
  readonly vacuums: number
  readonly rounds: number
  readonly sweptSeconds: number
  readonly removalFenceLag: number
}

type Row = Readonly<Record<string, string>>

export const SAMPLER_NAME = 'churn sampler'

export class Sampler {
  readonly #client: pg.Client
  readonly #text: string
  #updates = 0
  #hotUpdates = 0

  constructor({ url, schema }: Address) {
    this.#client = new pg.Client({ connectionString: url, application_name: SAMPLER_NAME })
    this.#text = sampleQuery(pg.escapeIdentifier(schema), pg.escapeLiteral(schema))
  }

  get client(): pg.Client {
    return this.#client
  }

  async sample(seconds: number): Promise<Sample> {
    const { rows } = await this.#client.query<Row>(this.#text)
    const row = rows[0] as Row
    const number = (name: string): number => Number(row[name])
    const updates = number('updates') - this.#updates
    const hotShare = updates === 0 ? 1 : (number('hot_updates') - this.#hotUpdates) / updates
    this.#updates = number('updates')
    this.#hotUpdates = number('hot_updates')
    return {
      seconds,
      live: number('live'),
      expired: number('expired'),
      stubs: number('stubs'),
      due: number('due'),
      rowBytes: number('row_bytes'),
      dead: number('dead'),
      heapBytes: number('heap_bytes'),
      indexBytes: number('index_bytes'),
      toastBytes: number('toast_bytes'),
      feedRows: number('feed_rows'),
      feedBytes: number('feed_bytes'),
      logRows: number('log_rows'),
      logBytes: number('log_bytes'),
      hotShare,
      vacuums: number('vacuums'),
      rounds: number('rounds'),
      sweptSeconds: number('swept_seconds'),
      removalFenceLag: number('removal_fence_lag'),
    }
  }
}

function sampleQuery(schema: string, schemaName: string): string {
  const relation = (name: string): string => `'${schema.replaceAll("'", "''")}.${name}'::regclass`
  return `
    select e.*, u.n_dead_tup as dead, u.n_tup_upd as updates, u.n_tup_hot_upd as hot_updates, u.autovacuum_count as vacuums,
      pg_table_size(c.oid) - pg_total_relation_size(c.reltoastrelid) as heap_bytes,
      pg_indexes_size(c.oid) as index_bytes,
      pg_total_relation_size(c.reltoastrelid) as toast_bytes,
      (select count(*) from ${schema}.feed) as feed_rows,
      pg_total_relation_size(${relation('feed')}) as feed_bytes,
      (select count(*) from ${schema}.invalidations) + (select count(*) from ${schema}.invalidators) as log_rows,
      pg_total_relation_size(${relation('invalidations')}) + pg_total_relation_size(${relation('invalidators')}) as log_bytes,
      s.rounds, extract(epoch from clock_timestamp() - s.swept_at) as swept_seconds,
      pg_snapshot_xmax(pg_current_snapshot())::text::bigint - pg_snapshot_xmax(s.removal_fence)::text::bigint as removal_fence_lag
    from (
      select count(*) filter (where e.expires_at > clock_timestamp()) as live,
        count(*) filter (where e.expires_at <= clock_timestamp() and num_nonnulls(e.value, e.bytes) > 0) as expired,
        count(*) filter (where num_nonnulls(e.value, e.bytes) = 0) as stubs,
        count(*) filter (
          where e.expires_at <= clock_timestamp() - interval '1 minute' and pg_visible_in_snapshot(e.written_by, f.removal_fence)
        ) as due,
        coalesce(sum(
          112 + 2 * octet_length(e.key) + coalesce(pg_column_size(e.value), 0) + coalesce(pg_column_size(e.bytes), 0)
            + coalesce(pg_column_size(e.tags), 0)
        ), 0) as row_bytes
      from ${schema}.entries as e, ${schema}.state as f
    ) as e, pg_class as c, pg_stat_user_tables as u, ${schema}.state as s
    where c.oid = ${relation('entries')} and u.schemaname = ${schemaName} and u.relname = 'entries'`
}
