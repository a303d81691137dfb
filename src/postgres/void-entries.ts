// Whether the store has nothing under a key because it was deleted or invalidated. Housekeeping may void an entry, too, for being older than the trim
// fence: what is held of it stays right.

import type { Version } from '../core/entry.ts'
import type { Driver, Statement } from './driver.ts'
import type { Names } from './names.ts'
import { named } from './statements.ts'

export class VoidEntries {
  readonly #driver: Driver
  readonly #isVoid: Statement

  constructor(driver: Driver, { object }: Names) {
    this.#driver = driver
    this.#isVoid = named(
      'is_void',
      `select (
  exists (
    select from ${object('entries')} as e, ${object('state')} as s
    where e.key = $1 and e.written_by = $2::xid8 and pg_snapshot_xmax(e.as_of) > pg_snapshot_xmax(s.trim_fence)
      and e.expires_at > statement_timestamp()
      and not exists (select from ${object('valid_entries')} as v where v.key = e.key)
  )
  or exists (select from ${object('invalidations')} as i where i.target = 'k' || $1 and i.txid > $2::xid8)
)::text`,
    )
  }

  async has(key: string, version: Version): Promise<boolean> {
    const [row] = await this.#driver.query(this.#isVoid, [key, version])
    return row?.[0] === 'true'
  }
}
