// Every read goes to PostgreSQL: what the batches are worth by themselves.

import type { Address, Contender } from '../contender.ts'
import { PostgresCacheContender } from './postgres-cache.ts'

export function createPostgresNoLocalCache(address: Address): Contender {
  return new PostgresCacheContender('postgres-no-local-cache', address, { local: false })
}
