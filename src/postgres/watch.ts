// Watching callers' tables: the triggers are made and found by functions of sql/0006_watch.sql, which migration tools can call as well.

import { CacheError } from '../core/errors.ts'
import type { Driver, Statement } from './driver.ts'
import { sqlStateOf } from './failures.ts'
import type { Names } from './names.ts'

export interface WatchedTable {
  readonly table: string
  readonly keys: readonly string[]
  readonly tags: readonly string[]
  readonly hints: boolean
  readonly unwatchedPartitions: readonly string[]
}

export interface WatchPatterns {
  readonly keys: readonly string[]
  readonly tags: readonly string[]
  readonly hints: boolean
}

export class Watches {
  readonly #driver: Driver
  readonly #names: Names

  constructor(driver: Driver, names: Names) {
    this.#driver = driver
    this.#names = names
  }

  async watch(table: string, { keys, tags, hints }: WatchPatterns): Promise<void> {
    const text = `select ${this.#names.object('watch')}($1::regclass, $2, $3, $4)`
    await this.#run('watch', table, unnamed(text), [table, keys, tags, hints])
  }

  async unwatch(table: string): Promise<boolean> {
    const text = `select ${this.#names.object('unwatch')}($1::regclass)`
    const rows = await this.#run('unwatch', table, unnamed(text), [table])
    return rows[0]?.[0] === 't'
  }

  async list(): Promise<WatchedTable[]> {
    const rows = await this.#driver.query(
      unnamed(`select table_name, pg_catalog.array_to_json(keys)::text, pg_catalog.array_to_json(tags)::text, hints, pg_catalog.array_to_json(unwatched_partitions)::text
from ${this.#names.object('watches')}()`),
    )
    return rows.map(([table, keys, tags, hints, unwatched]) => ({
      table: table ?? '',
      keys: JSON.parse(keys ?? '[]') as string[],
      tags: JSON.parse(tags ?? '[]') as string[],
      hints: hints === 't',
      unwatchedPartitions: JSON.parse(unwatched ?? '[]') as string[],
    }))
  }

  async #run(
    call: Call,
    table: string,
    statement: Statement,
    values: unknown[],
  ): ReturnType<Driver['query']> {
    try {
      return await this.#driver.query(statement, values)
    } catch (error) {
      throw explain(error, call, table)
    }
  }
}

type Call = 'watch' | 'unwatch'

function unnamed(text: string): Statement {
  return { name: '', text }
}

const WRONG_PATTERN = new Set(['42703', '42804', '22023', '42809']) // column, type, braces, not a table

function explain(error: unknown, call: Call, table: string): unknown {
  const state = sqlStateOf(error) ?? ''
  const detail = error instanceof Error ? error.message : String(error)
  if (state === '42501') {
    const owner = `only the owner of ${table} may change or end its watch`
    const right = `watching ${table} needs its owner, or \`grant trigger on ${table} to <role>\`; ${owner}`
    return new CacheError('permission-denied', `${call === 'watch' ? right : owner} (${detail})`, {
      cause: error,
    })
  }
  if (state === '42P01' || WRONG_PATTERN.has(state)) {
    return new CacheError('invalid-option', `cannot ${call} ${table}: ${detail}`, {
      option: 'watch',
      cause: error,
    })
  }
  if (state === '55P03') {
    const message = `${table} is locked by another transaction: call ${call}() again when its writers have finished`
    return new CacheError('locked', message, { cause: error })
  }
  return error
}
