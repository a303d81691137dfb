// A value is loaded once, served from the cache, invalidated, and loaded again.
//   npm run example:basic

import { setTimeout as delay } from 'node:timers/promises'
import { PostgresCache } from 'postgres-cache'
import { usePostgres } from '../scripts/database-url.ts'

// DATABASE_URL, or a server in a temporary folder. Your program has the address of its own.
await using postgres = await usePostgres()

await using cache = new PostgresCache({ connectionString: postgres.url })

let visits = 0

async function countVisits(): Promise<{ visits: number }> {
  console.log('  miss: working it out …')
  await delay(100)
  return { visits: ++visits }
}

console.log('first:', await cache.getOrSet('visits', countVisits, { ttl: '2s' }))
console.log('again, from the cache:', await cache.get('visits'))

await cache.invalidate('visits')
console.log('after invalidate:', await cache.get('visits'))
console.log('loaded anew:', await cache.getOrSet('visits', countVisits, { ttl: '2s' }))
