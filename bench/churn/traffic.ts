// Keys that come, expire, and come again elsewhere: sets of random keys with short ttls, overwrites of what is there, and reads of it.

import { PostgresCache } from 'postgres-cache'
import { atRate } from '../at-rate.ts'
import type { Address } from '../contender.ts'
import { keyOf, valueOf } from '../values.ts'
import type { ChurnSettings } from './settings.ts'

const SET = 'churn'
const MIN_TTL_MS = 1_000
const MAX_TTL_MS = 60_000
const [MIN_BYTES, MAX_BYTES] = [100, 2_000]
/** Stored beside the table: TOAST takes over at 2 KB a row. */
const LARGE_BYTES = 4_000
const LARGE_SHARE = 0.02
const OVERWRITE_SHARE = 0.1
const READS_PER_SET = 1 / 3
/** What is overwritten and read was set lately. */
const RECENT_KEYS = 20_000
const NEVER = '10h'

export interface TrafficCounts {
  sets: number
  failedSets: number
  reads: number
  hits: number
}

export class Traffic implements AsyncDisposable {
  readonly counts: TrafficCounts = { sets: 0, failedSets: 0, reads: 0, hits: 0 }
  readonly #settings: ChurnSettings
  readonly #writer: PostgresCache
  readonly #reader: PostgresCache
  readonly #recent: number[] = []

  constructor({ url, schema }: Address, settings: ChurnSettings) {
    this.#settings = settings
    const options = { connectionString: url, schema, notifyChannel: schema, pruneInterval: NEVER } as const
    this.#writer = new PostgresCache({ ...options, local: false })
    this.#reader = new PostgresCache(options)
  }

  async run(ms: number): Promise<void> {
    await Promise.all([this.#writer.connect(), this.#reader.connect()])
    const { rate } = this.#settings
    await Promise.all([
      atRate(rate, ms, () => this.#set()),
      atRate(rate * READS_PER_SET, ms, () => this.#read()),
    ])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#writer.close(), this.#reader.close()])
  }

  async #set(): Promise<void> {
    const known = Math.random() < OVERWRITE_SHARE ? this.#anyRecent() : undefined
    const i = known ?? Math.floor(Math.random() * this.#settings.keys)
    const ttl = Math.round(between(MIN_TTL_MS, MAX_TTL_MS))
    this.#recent[this.counts.sets % RECENT_KEYS] = i
    this.counts.sets++
    try {
      await this.#writer.set(keyOf(SET, i), valueOf(i, anySize()), { ttl })
    } catch {
      this.counts.failedSets++
    }
  }

  async #read(): Promise<void> {
    const i = this.#anyRecent()
    if (i === undefined) return
    this.counts.reads++
    if ((await this.#reader.get(keyOf(SET, i))) !== undefined) this.counts.hits++
  }

  #anyRecent(): number | undefined {
    return this.#recent[Math.floor(Math.random() * this.#recent.length)]
  }
}

const between = (low: number, high: number): number => low + Math.random() * (high - low)

/** As many of each order of magnitude: 640 bytes in the mean, a few of them large. */
function anySize(): number {
  if (Math.random() < LARGE_SHARE) return LARGE_BYTES
  return Math.round(MIN_BYTES * (MAX_BYTES / MIN_BYTES) ** Math.random())
}
