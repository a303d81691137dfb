// Changes are heard through the feed alone: the same bound on staleness without LISTEN, NOTIFY and a session.

import type { Address, Contender } from '../contender.ts'
import { PostgresCacheContender } from './postgres-cache.ts'

export function createPostgresNoNotify(address: Address): Contender {
  return new PostgresCacheContender('postgres-no-notify', address, { notifications: 'poll' })
}
