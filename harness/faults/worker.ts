// A thread with a cache of its own, which begins a load that never ends.

import { parentPort, workerData } from 'node:worker_threads'
import { PostgresCache } from '../../src/index.ts'

const cache = new PostgresCache({ connectionString: workerData as string })
const value = await cache.get('shared')
await new Promise<void>((begun) => {
  void cache.getOrSet('loading', () => {
    begun()
    return new Promise(() => {})
  })
})
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
parentPort?.postMessage(value)
