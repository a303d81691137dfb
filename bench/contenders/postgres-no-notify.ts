// Changes are heard through the feed alone: the same bound on staleness without LISTEN, NOTIFY and a session.

import type { Contender } from '../contender.ts'
import { PostgresCacheContender } from './postgres-cache.ts'

export function createPostgresNoNotify(url: string): Contender {
  return new PostgresCacheContender('postgres-no-notify', url, { notifications: 'poll' })
}
