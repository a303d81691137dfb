// The change feed and the world: one statement returns everything committed since the cursor, the new cursor, and where we are.
// Exact under out-of-order commits, because a cursor is a snapshot; works through any pooler, because it is one statement.

import type { Change } from '../core/change.ts'
import type { Driver, Row } from './driver.ts'
import type { Statements } from './statements.ts'
import type { World } from './store.ts'

export interface FeedReply {
  readonly world: World
  /** A snapshot: hand it to the next read. */
  readonly cursor: string
  /** Whether everything since the given cursor is in `changes`. False without a cursor, and when the feed was trimmed beyond it. */
  readonly complete: boolean
  readonly changes: readonly Change[]
  /** Milliseconds since the epoch by the database's clock. */
  readonly databaseNow: number
}

// Beyond these a flush is cheaper for everyone than judging entry by entry. One change names up to 10,000 keys.
const MAX_CHANGES = 10_000
const MAX_NAMED = 65_536

export class Feed {
  readonly #driver: Driver
  readonly #sql: Statements

  constructor(driver: Driver, statements: Statements) {
    this.#driver = driver
    this.#sql = statements
  }

  async read(cursor: string | null): Promise<FeedReply> {
    const [header, ...rows] = await this.#driver.read(this.#sql.sync, [cursor, MAX_CHANGES, MAX_NAMED])
    const changes = rows.map(toChange)
    const named = changes.reduce((sum, { keys, tags }) => sum + keys.length + tags.length, 0)
    return {
      world: header?.[1] ?? null,
      cursor: header?.[0] ?? '',
      complete: header?.[3] === 'true' && rows.length < MAX_CHANGES && named < MAX_NAMED,
      changes,
      databaseNow: Number(header?.[2]),
    }
  }

  /** Seeds a world where none is. Null in recovery, and while a prepared transaction forbids it. */
  async settleWorld(): Promise<World> {
    const [row] = await this.#driver.query(this.#sql.settleWorld)
    return row?.[0] ?? null
  }
}

function toChange([version, keys, tags, keyPrefixes, tagPrefixes]: Row): Change {
  return {
    version: version ?? '',
    keys: toList(keys),
    tags: toList(tags),
    keyPrefixes: toList(keyPrefixes),
    tagPrefixes: toList(tagPrefixes),
  }
}

function toList(json: string | null | undefined): readonly string[] {
  return json == null ? NONE : (JSON.parse(json) as string[])
}

const NONE: readonly string[] = Object.freeze([])
