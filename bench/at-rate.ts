// Calls at a given rate, whatever the answers.

import { setTimeout as delay } from 'node:timers/promises'

const TICK_MS = 1

/** Open loop: a slow answer delays no other call. Rejects as the first call that did, when the time is over. */
export async function atRate(perSecond: number, ms: number, call: () => Promise<void>): Promise<void> {
  const start = performance.now()
  const underWay = new Set<Promise<void>>()
  const failures: unknown[] = []
  let issued = 0
  for (let now = start; now < start + ms; now = performance.now()) {
    for (const due = ((now - start) / 1000) * perSecond; issued < due; issued++) {
      const pending = call()
        .catch((error: unknown) => void failures.push(error))
        .finally(() => underWay.delete(pending))
      underWay.add(pending)
    }
    await delay(TICK_MS)
  }
  await Promise.all(underWay)
  if (failures.length > 0) throw failures[0]
}
