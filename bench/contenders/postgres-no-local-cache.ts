// Every read goes to PostgreSQL: what the batches are worth by themselves.

import type { Contender } from '../contender.ts'
import { PostgresCacheContender } from './postgres-cache.ts'

export function createPostgresNoLocalCache(url: string): Contender {
  return new PostgresCacheContender('postgres-no-local-cache', url, { local: false })
}
