// The entries as the library sees them: named operations over keys, each one statement. Knows rows and arrays; nothing of the local cache.

import type { ListedEntry, StoredEntry, Version } from '../core/entry.ts'
import { encodeFloat8Array, encodeTextArray, toArrayLiteral } from './binary-array.ts'
import type { Driver, Row } from './driver.ts'
import type { Statements } from './statements.ts'

/** Identity of what the tables hold: changes after a crash, a failover, a restore. Null: none yet. */
export type World = string | null

export interface ReadReply {
  readonly world: World
  /** Snapshot of the read, and so the token of a load that follows a miss. */
  readonly snapshot: string | null
  /** In the order of the keys; null where nothing valid is. Stale entries within their grace are included. */
  readonly entries: readonly (StoredEntry | null)[]
}

/** What a load began with: it fences the fill. Means nothing in another world: another server, or other transaction ids. */
export interface LoadToken {
  readonly world: World
  readonly snapshot: string
}

export interface EntryWrite {
  readonly key: string
  readonly text: string | null
  readonly bytes: Uint8Array | null
  readonly codec: string | null
  readonly tags: readonly string[]
  /** Null: no expiry. */
  readonly freshMs: number | null
  readonly keepMs: number | null
  /** Null: a set. */
  readonly token: LoadToken | null
}

export interface WriteReply {
  readonly version: Version
  /** Keys of fills that wrote nothing. */
  readonly refused: readonly string[]
}

export interface RemoveReply {
  readonly version: Version
  /** Keys that had a fresh, valid entry. */
  readonly live: readonly string[]
}

export interface TouchReply {
  readonly version: Version
  readonly touched: readonly string[]
}

export interface Touch {
  readonly key: string
  /** Null: no expiry. */
  readonly freshMs: number | null
}

export interface Targets {
  readonly tags?: readonly string[]
  readonly keyPrefixes?: readonly string[]
  readonly tagPrefixes?: readonly string[]
}

export interface PageRequest {
  readonly after: string
  readonly prefix: string
  readonly tag: string | undefined
  readonly limit: number
  /** How many rows one statement looks at, whether they belong to the page or not. */
  readonly looked: number
}

export interface Page {
  readonly entries: readonly ListedEntry[]
  /** What the next page comes after; null: this is the last one. */
  readonly after: string | null
}

// Where one entry is older than an invalidation, others are, and stay so until they are overwritten: a glance first would be in vain.
const DISPUTED_READS = 64

export class Store {
  readonly #driver: Driver
  readonly #sql: Statements
  /** How many reads are still to ask the log at once. */
  #disputedReads = 0
  #preparing: Promise<unknown> | undefined

  constructor(driver: Driver, statements: Statements) {
    this.#driver = driver
    this.#sql = statements
  }

  async readMany(keys: readonly string[]): Promise<ReadReply> {
    const values = [encodeTextArray(keys)]
    if (this.#disputedReads === 0) {
      const rows = await this.#driver.read(this.#sql.glance, values)
      if (!rows.some(isDisputed)) return toReadReply(keys, rows)
      this.#disputedReads = DISPUTED_READS
    }
    this.#disputedReads--
    return toReadReply(keys, await this.#driver.read(this.#sql.read, values))
  }

  /**
   * The first fill over a connection costs the server 5 to 25 ms, because it compiles the function and plans what is in it. So the first load of a
   * process has that done while its loader runs, with nothing to write. A fill waits for it, or would go over a connection of its own.
   */
  async prepareFills(world: string): Promise<void> {
    const none = encodeTextArray([])
    const noTimes = encodeFloat8Array([])
    const values = [world, '20ms', none, none, null, null, null, noTimes, null, '{}']
    const preparing = this.#driver.query(this.#sql.write, values)
    this.#preparing = preparing.catch(() => {})
    try {
      await preparing
    } finally {
      this.#preparing = undefined
    }
  }

  /** Keys must be distinct. Raises 55P03 when a row stays locked for longer than `lockTimeoutMs`. */
  async writeMany(
    world: string,
    unsorted: readonly EntryWrite[],
    lockTimeoutMs: number,
  ): Promise<WriteReply> {
    const entries = unsorted.toSorted(byKey)
    if (this.#preparing !== undefined && entries.some(({ token }) => token !== null)) await this.#preparing
    const [row] = await this.#driver.query(this.#sql.write, [
      world,
      `${lockTimeoutMs}ms`,
      encodeTextArray(entries.map((entry) => entry.key)),
      encodeTextArray(entries.map((entry) => entry.text)),
      columnOrNull(entries, (entry) => entry.bytes && `\\x${Buffer.from(entry.bytes).toString('hex')}`),
      columnOrNull(entries, (entry) => entry.codec),
      columnOrNull(entries, (entry) => (entry.tags.length === 0 ? null : toArrayLiteral(entry.tags))),
      encodeFloat8Array(entries.map((entry) => entry.freshMs ?? Infinity)),
      entries.every(hasNoGrace) ? null : encodeFloat8Array(entries.map((entry) => entry.keepMs ?? Infinity)),
      columnOrNull(entries, (entry) => entry.token && entry.token.snapshot),
    ])
    const reply = textAt(row, 0)
    const end = reply.indexOf(' ')
    if (end === -1) return { version: reply, refused: NONE }
    return { version: reply.slice(0, end), refused: JSON.parse(reply.slice(end)) as string[] }
  }

  /** The keys whose rows no other transaction holds at this moment. */
  async freeKeys(keys: readonly string[]): Promise<readonly string[]> {
    const [row] = await this.#driver.query(this.#sql.freeKeys, [encodeTextArray(keys)])
    return listAt(row, 0)
  }

  async removeMany(world: string, keys: readonly string[]): Promise<RemoveReply> {
    const [row] = await this.#driver.query(this.#sql.remove, [world, encodeTextArray(keys)])
    return { version: textAt(row, 0), live: listAt(row, 1) }
  }

  async invalidate(
    world: string,
    { tags = [], keyPrefixes = [], tagPrefixes = [] }: Targets,
  ): Promise<Version> {
    const prefixes = [
      ...keyPrefixes.map((prefix) => `k${prefix}`),
      ...tagPrefixes.map((prefix) => `t${prefix}`),
    ]
    const [row] = await this.#driver.query(this.#sql.invalidate, [
      world,
      tags.map((tag) => `t${tag}`),
      prefixes,
    ])
    return textAt(row, 0)
  }

  touchMany(world: string, touches: readonly Touch[], lockTimeoutMs: number): Promise<TouchReply> {
    return this.#restamp(world, touches, lockTimeoutMs, false)
  }

  /** Stale from now on; the grace begins now. */
  expireMany(world: string, keys: readonly string[], lockTimeoutMs: number): Promise<TouchReply> {
    return this.#restamp(
      world,
      keys.map((key) => ({ key, freshMs: 0 })),
      lockTimeoutMs,
      true,
    )
  }

  async #restamp(
    world: string,
    touches: readonly Touch[],
    lockTimeoutMs: number,
    expire: boolean,
  ): Promise<TouchReply> {
    const [row] = await this.#driver.query(this.#sql.touch, [
      world,
      `${lockTimeoutMs}ms`,
      encodeTextArray(touches.map((touch) => touch.key)),
      touches.map((touch) => touch.freshMs),
      expire,
    ])
    return { version: textAt(row, 0), touched: listAt(row, 1) }
  }

  /** A valid entry, perhaps stale; null where there is none. */
  async list(key: string): Promise<ListedEntry | null> {
    const [row] = await this.#driver.query(this.#sql.list, [key])
    return row === undefined ? null : toListed(row)
  }

  /** Fresh entries after a key, in key order. */
  async page({ after, prefix, tag, limit, looked }: PageRequest): Promise<Page> {
    const statement = this.#sql.page(prefix, tag !== undefined)
    const values = [after, limit, looked, ...(tag === undefined ? [] : [tag])]
    const rows = await this.#driver.query(statement, values)
    const last = rows.at(-1)
    const entries = (last?.[5] === null ? rows.slice(0, -1) : rows).map(toListed)
    return { entries, after: last?.[0] ?? null }
  }
}

// In one order for all, whatever it is: UTF-16 units differ from the database's order for a few keys, and then a lock is waited for until it times out.
function byKey(a: EntryWrite, b: EntryWrite): number {
  if (a.key === b.key) return 0
  return a.key < b.key ? -1 : 1
}

function isDisputed(row: Row): boolean {
  return row[5] === ''
}

export function toReadReply(keys: readonly string[], rows: readonly Row[]): ReadReply {
  const entries: (StoredEntry | null)[] = keys.map(() => null)
  let world: World = null
  let snapshot: string | null = null
  for (const row of rows) {
    const index = Number(row[0]) - 1
    const header = row[8]
    if (header != null) [world, snapshot] = header.split(' ') as [string, string]
    if (row[5] !== null) entries[index] = toEntry(keys[index] as string, row)
  }
  return { world, snapshot, entries }
}

function toEntry(key: string, row: Row): StoredEntry {
  const bytes = row[2]
  const tags = row[4]
  const freshMs = millisecondsAt(row, 6, Infinity)
  return {
    key,
    text: row[1] ?? null,
    bytes: bytes == null ? null : Buffer.from(bytes, 'hex'),
    codec: row[3] ?? null,
    tags: tags == null ? NONE : (JSON.parse(tags) as string[]),
    version: textAt(row, 5),
    freshMs,
    keepMs: millisecondsAt(row, 7, freshMs),
  }
}

function toListed(row: Row): ListedEntry {
  return { ...toEntry(textAt(row, 0), row), createdAt: Number(row[8]) }
}

const NONE: readonly string[] = Object.freeze([])

function hasNoGrace({ freshMs, keepMs }: EntryWrite): boolean {
  return freshMs === keepMs
}

function columnOrNull<T>(items: readonly T[], toText: (item: T) => string | null): Buffer | string[] | null {
  for (const item of items) {
    if (toText(item) !== null) return items.map(toText) as string[]
  }
  return null
}

function textAt(row: Row | undefined, index: number): string {
  return row?.[index] ?? ''
}

function listAt(row: Row | undefined, index: number): readonly string[] {
  const list = row?.[index]
  return list == null ? NONE : (JSON.parse(list) as string[])
}

function millisecondsAt(row: Row, index: number, otherwise: number): number {
  const text = row[index]
  return text == null ? otherwise : Number(text)
}
