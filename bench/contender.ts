// What a cache must be able to do to be timed. One file in contenders/ each; contenders.ts lists them.

import { readFileSync } from 'node:fs'

export interface Contender {
  readonly name: string
  connect(): Promise<void>
  versions(): Promise<Versions>
  set(key: string, value: unknown, ttlMs: number): Promise<void>
  /** Undefined: a miss. The value belongs to the caller: nobody else sees what is done to it. */
  get(key: string): Promise<unknown>
  getMany?(keys: readonly string[]): Promise<unknown[]>
  delete(key: string): Promise<void>
  /** Where the client itself protects a missing key from a stampede. */
  getOrSet?(key: string, loader: () => Promise<unknown>, ttlMs: number): Promise<unknown>
  /** Where the client has a local cache: calls back when it drops the key because of what another client did. */
  onEvicted?(listener: (key: string) => void): void
  /** What the local cache itself says that its entries cost. */
  localBytes?(): number
  /** The first failure that a read hid behind a miss: its time must not count as that of a read. */
  failure?(): Error | undefined
  close(): Promise<void>
}

export interface Address {
  readonly url: string
  /** Where those that use PostgreSQL keep their tables, and the channel of those that notify. */
  readonly schema: string
}

export interface Versions {
  /** Name and version of the npm package. */
  readonly client: string
  /** As the server that answered calls itself. */
  readonly server: string
}

/** Entries that a local cache may hold: the default of postgres-cache, given to every contender that has one. */
export const LOCAL_ENTRIES = 65_536

/** What a benchmark writes is found under these names, so that it can be removed from a server that others use, too. */
export const SCHEMA = 'postgres_cache_bench'
export const KEY_PREFIX = 'postgres-cache-bench:'

/** Each has its own, so that none hears of what another writes. */
export function schemaOf(contender: string): string {
  return `${SCHEMA}_${contender.replaceAll('-', '_')}`
}

/** Name and version of an installed package. */
export function packageVersion(name: string): string {
  return nameAndVersion(`../node_modules/${name}/package.json`)
}

/** Name and version of this package. */
export function ownVersion(): string {
  return nameAndVersion('../package.json')
}

function nameAndVersion(path: string): string {
  const text = readFileSync(new URL(path, import.meta.url), 'utf8')
  const { name, version } = JSON.parse(text) as { name: string; version: string }
  return `${name} ${version}`
}
