// node-redis with its client-side cache: the server tracks what was read and tells (RESP3) when it changes.

import { BasicClientSideCache, createClient } from '@redis/client'
import { type Address, type Contender, LOCAL_ENTRIES } from '../contender.ts'
import { NodeRedis } from './node-redis.ts'

export function createNodeRedisTracking({ url }: Address): Contender {
  return new NodeRedisTracking(url)
}

class NodeRedisTracking extends NodeRedis {
  readonly #localCache: BasicClientSideCache

  constructor(url: string) {
    const localCache = new BasicClientSideCache({ maxEntries: LOCAL_ENTRIES, evictPolicy: 'LRU', ttl: 0 })
    super('node-redis-tracking', createClient({ url, RESP: 3, clientSideCache: localCache }))
    this.#localCache = localCache
  }

  onEvicted(listener: (key: string) => void): void {
    this.#localCache.on('invalidate', (key: Buffer | string | null) => {
      if (key !== null) listener(String(key))
    })
  }
}
