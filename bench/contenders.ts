// The field: who is timed, on which server, and why a name stands for what it does.

import type { Address, Contender } from './contender.ts'

export interface ContenderInfo {
  readonly server: ServerKind
  /** Whether it answers from the memory of the process where it can. */
  readonly local: boolean
  readonly load: () => Promise<(address: Address) => Contender>
}

export type ServerKind = 'postgres' | 'valkey'

export type ContenderName =
  | 'postgres-cache'
  | 'postgres-no-local-cache'
  | 'postgres-no-notify'
  | 'iovalkey'
  | 'node-redis'
  | 'valkey-glide'
  | 'node-redis-tracking'
  | 'keyv-postgres'
  | 'bentocache'

// Loaded by name: a client process holds the code of its own contender and of no other.
const CONTENDERS: Readonly<Record<ContenderName, ContenderInfo>> = {
  'postgres-cache': {
    server: 'postgres',
    local: true,
    load: async () => (await import('./contenders/postgres-cache.ts')).createPostgresCache,
  },
  'postgres-no-local-cache': {
    server: 'postgres',
    local: false,
    load: async () => (await import('./contenders/postgres-no-local-cache.ts')).createPostgresNoLocalCache,
  },
  'postgres-no-notify': {
    server: 'postgres',
    local: true,
    load: async () => (await import('./contenders/postgres-no-notify.ts')).createPostgresNoNotify,
  },
  iovalkey: {
    server: 'valkey',
    local: false,
    load: async () => (await import('./contenders/iovalkey.ts')).createIovalkey,
  },
  'node-redis': {
    server: 'valkey',
    local: false,
    load: async () => (await import('./contenders/node-redis.ts')).createNodeRedis,
  },
  'valkey-glide': {
    server: 'valkey',
    local: false,
    load: async () => (await import('./contenders/valkey-glide.ts')).createValkeyGlide,
  },
  'node-redis-tracking': {
    server: 'valkey',
    local: true,
    load: async () => (await import('./contenders/node-redis-tracking.ts')).createNodeRedisTracking,
  },
  'keyv-postgres': {
    server: 'postgres',
    local: false,
    load: async () => (await import('./contenders/keyv-postgres.ts')).createKeyvPostgres,
  },
  bentocache: {
    server: 'valkey',
    local: true,
    load: async () => (await import('./contenders/bentocache.ts')).createBentocache,
  },
}

export const CONTENDER_NAMES: readonly ContenderName[] = Object.keys(CONTENDERS) as ContenderName[]

export function infoOf(name: ContenderName): ContenderInfo {
  return CONTENDERS[name]
}
