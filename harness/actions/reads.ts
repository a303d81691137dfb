// What readers do.

import type { Read, Version } from '../history.ts'
import { now } from '../history.ts'
import {
  accountKey,
  ACCOUNTS,
  drawQuiet,
  type Ledger,
  LEDGERS,
  ORGS,
  REGISTER_NAMESPACE,
  registerKey,
  REGISTERS,
  tagsOfAccount,
  tagsOfTotal,
  totalKey,
} from '../keys.ts'
import type { Client } from '../node.ts'
import { readTruth } from '../source.ts'
import { pause } from '../pause.ts'

const TTLS_MS = [150, 400, 1_500, 6_000] as const
const SLOW_LOAD_MS = 250
// Long enough for what is set meanwhile to expire and to be removed.
const ENDLESS_LOAD_MS = 5_000

/** A key with a source, and the tags of its entry. */
export interface Sourced {
  readonly key: string
  readonly tags: readonly string[]
}

export function drawSourced({ random }: Client): Sourced {
  const ledger = random.pick(LEDGERS)
  if (random.chance(0.8)) return toSourced(ledger, random.skewed(ACCOUNTS))
  const org = random.below(ORGS)
  return { key: totalKey(ledger, org), tags: tagsOfTotal(ledger, org) }
}

export function drawQuietAccount({ random }: Client): Sourced {
  return toSourced('account', drawQuiet(random))
}

function toSourced(ledger: Ledger, account: number): Sourced {
  return { key: accountKey(ledger, account), tags: tagsOfAccount(ledger, account) }
}

export async function get(client: Client): Promise<void> {
  const { key } = drawSourced(client)
  const fresh = client.random.chance(0.1)
  await recordRead(client, { call: 'get', key, fresh }, () => client.node.cache.get<Version>(key, { fresh }))
}

export async function getRegister(client: Client): Promise<void> {
  const { random, node } = client
  const name = registerKey(random.skewed(REGISTERS))
  const fresh = random.chance(0.1)
  const key = `${REGISTER_NAMESPACE}:${name}`
  await recordRead(client, { call: 'get', key, fresh }, () => node.registers.get<Version>(name, { fresh }))
}

export async function getMany(client: Client): Promise<void> {
  const { node, random } = client
  const keys = [...new Set(Array.from({ length: 2 + random.below(8) }, () => drawSourced(client).key))]
  const fresh = random.chance(0.1)
  const troubles = node.observer.troubles
  const start = now()
  const { promise, hits } = node.observer.call(() => node.cache.getMany<Version>(keys, { fresh }))
  const found = await promise
  const end = now()
  for (const [i, key] of keys.entries()) {
    node.record({
      op: 'read',
      call: 'getMany',
      key,
      fresh,
      tier: hits.includes(key) ? 'local' : 'store',
      refetchedFrom: null,
      found: toVersion(found[i]),
      doubtful: node.observer.troubles > troubles,
      start,
      end,
    })
  }
}

export async function getOrSet(client: Client): Promise<void> {
  const { node, random } = client
  const endless = random.chance(0.02)
  const { key, tags } = endless ? drawQuietAccount(client) : drawSourced(client)
  const fresh = endless || random.chance(0.05)
  const ttl = random.pick(TTLS_MS)
  const tagsComeLate = random.chance(0.3)
  const slowMs = endless
    ? random.below(ENDLESS_LOAD_MS)
    : random.chance(0.15)
      ? random.below(SLOW_LOAD_MS)
      : 0
  let hasLoaded = false
  await recordRead(
    client,
    { call: 'getOrSet', key, fresh },
    () =>
      node.cache.getOrSet<Version>(
        key,
        async (context) => {
          hasLoaded = true
          const start = now()
          const value = await readTruth(node.loads, key)
          if (tagsComeLate) context.set({ tags })
          if (slowMs > 0) await pause(slowMs)
          node.record({ op: 'load', key, version: value.version, stamp: value.stamp, start, end: now() })
          return value
        },
        { ttl, fresh, tags: tagsComeLate ? [] : tags },
      ),
    () => hasLoaded,
  )
}

export async function sync({ node }: Client): Promise<void> {
  const start = now()
  await node.cache.sync()
  node.record({ op: 'sync', start, end: now() })
}

async function recordRead(
  { node }: Client,
  about: Pick<Read, 'call' | 'key' | 'fresh'>,
  run: () => Promise<Version | undefined>,
  hasLoaded: () => boolean = () => false,
): Promise<void> {
  const { observer } = node
  const { troubles } = observer
  const refetchedFrom = observer.refetchedFrom(about.key)
  const start = now()
  const { promise, hits } = observer.call(run)
  const found = await promise
  const end = now()
  observer.hasRead(about.key, refetchedFrom)
  const tier = hits.length > 0 ? 'local' : hasLoaded() ? 'loader' : 'store'
  const doubtful = observer.troubles > troubles
  node.record({ op: 'read', ...about, tier, refetchedFrom, found: toVersion(found), doubtful, start, end })
}

function toVersion(value: Version | undefined): Version | null {
  return value === undefined ? null : { version: value.version, stamp: value.stamp }
}
