// Transactions that change nothing: they cache what they have read, or compare it with what is cached.

import { type Version, now } from '../history.ts'
import type { Client } from '../node.ts'
import { pause } from '../pause.ts'
import { readTruth } from '../source.ts'
import { drawQuietAccount, drawSourced } from './reads.ts'
import { Calls, transact } from './transact.ts'

const TTLS_MS = [100, 4_000] as const
const HOLD_MS = 60
// Long enough for what is set meanwhile to expire and to be removed.
const LONG_HOLD_MS = 5_000
const KEYS_COMPARED = 6

export async function setWhatWasRead(client: Client): Promise<void> {
  const { random } = client
  const lasts = random.chance(0.2)
  const { key, tags } = lasts ? drawQuietAccount(client) : drawSourced(client)
  await transact(client, 'transaction', async ({ tx }) => {
    const calls = await Calls.begin(client, tx)
    const value = await readTruth(tx, key)
    if (lasts) await pause(random.below(LONG_HOLD_MS))
    else if (random.chance(0.3)) await pause(random.below(HOLD_MS))
    await calls.set(key, value, { ttl: random.pick(TTLS_MS), tags })
    if (random.chance(0.3)) await pause(random.below(HOLD_MS))
    return new Map()
  })
}

/** REPEATABLE READ: what the cache says and what the source says belong together. */
export async function compare(client: Client): Promise<void> {
  const { node, random } = client
  const tx = await node.transactions.connect()
  const begun = now()
  try {
    await tx.query('begin isolation level repeatable read')
    const cached = await node.cache.withTransaction(tx)
    for (let i = 0; i < KEYS_COMPARED; i++) {
      const { key } = drawSourced(client)
      const start = now()
      const value = await cached.get<Version>(key)
      const source = await readTruth(tx, key)
      if (value !== undefined) {
        const versions = { cached: toVersion(value), source: toVersion(source) }
        node.record({ op: 'comparison', key, ...versions, start, end: now() })
      }
      if (random.chance(0.1)) await pause(random.below(HOLD_MS))
    }
    await tx.query('commit')
  } catch (error) {
    node.fail('a transactional read', error, begun)
    await tx.query('rollback').catch(() => {})
  } finally {
    tx.release()
  }
}

function toVersion({ version, stamp }: Version): Version {
  return { version, stamp }
}
