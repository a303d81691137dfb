// Writes outside of callers' transactions: sets of registers, and removals of anything.

import { now, type Removal, type SetValue } from '../history.ts'
import {
  accountPrefix,
  accountTag,
  ACCOUNTS,
  LEDGERS,
  orgTag,
  ORGS,
  REGISTER_NAMESPACE,
  registerKey,
  REGISTERS,
  registerTag,
  shelfPrefix,
} from '../keys.ts'
import type { Client } from '../node.ts'
import { drawSourced } from './reads.ts'

const TTLS_MS = [200, 1_000, 4_000] as const

export async function setRegister(client: Client): Promise<void> {
  const { node, random } = client
  const register = node.ownRegisters[random.skewed(node.ownRegisters.length)]
  if (register === undefined) return
  const name = registerKey(register)
  const tags = [registerTag(register)]
  const value = { version: node.nextVersion(register), stamp: client.nextStamp() }
  const ttlMs = random.pick(TTLS_MS)
  const about: Omit<SetValue, 'node' | 'end' | 'acknowledged'> = {
    op: 'set',
    key: `${REGISTER_NAMESPACE}:${name}`,
    ...value,
    tags,
    ttlMs,
    start: now(),
  }
  const acknowledged = await succeeds(client, 'set', () =>
    node.registers.set(name, value, { ttl: ttlMs, tags }),
  )
  node.record({ ...about, acknowledged, end: now() })
}

/** delete, invalidate, invalidateTags, deleteByPrefix or clear of registers. */
export async function removeRegisters(client: Client): Promise<void> {
  const { node, random } = client
  const register = random.skewed(REGISTERS)
  const name = registerKey(register)
  const prefix = `p${REGISTER_NAMESPACE}:`
  await remove(
    client,
    random.weighted([
      {
        weight: 4,
        item: {
          call: 'delete',
          targets: [`k${REGISTER_NAMESPACE}:${name}`],
          run: () => node.registers.delete(name),
        },
      },
      {
        weight: 4,
        item: {
          call: 'invalidate',
          targets: [`k${REGISTER_NAMESPACE}:${name}`],
          run: () => node.registers.invalidate(name),
        },
      },
      {
        weight: 2,
        item: {
          call: 'invalidateTags',
          targets: [`t${registerTag(register)}`],
          run: () => node.registers.invalidateTags(registerTag(register)),
        },
      },
      {
        weight: 2,
        item: {
          call: 'deleteByPrefix',
          targets: [prefix + shelfPrefix(register)],
          run: () => node.registers.deleteByPrefix(shelfPrefix(register)),
        },
      },
      { weight: 0.3, item: { call: 'clear', targets: [prefix], run: () => node.registers.clear() } },
    ]),
  )
}

/** Removes what is right: nobody may notice, except as a miss. */
export async function removeSourced(client: Client): Promise<void> {
  const { node, random } = client
  const { key } = drawSourced(client)
  const ledger = random.pick(LEDGERS)
  const account = random.below(ACCOUNTS)
  const tags = [accountTag(ledger, account), orgTag(ledger, random.below(ORGS))]
  const prefix = accountPrefix(ledger, account)
  await remove(
    client,
    random.pick<Call>([
      { call: 'delete', targets: [`k${key}`], run: () => node.cache.delete(key) },
      { call: 'invalidate', targets: [`k${key}`], run: () => node.cache.invalidate([key]) },
      {
        call: 'invalidateTags',
        targets: tags.map((tag) => `t${tag}`),
        run: () => node.cache.invalidateTags(tags),
      },
      { call: 'deleteByPrefix', targets: [`p${prefix}`], run: () => node.cache.deleteByPrefix(prefix) },
    ]),
  )
}

export async function prune(client: Client): Promise<void> {
  await succeeds(client, 'prune', () => client.node.cache.prune())
}

interface Call {
  readonly call: string
  readonly targets: readonly string[]
  readonly run: () => Promise<unknown>
}

async function remove(client: Client, { call, targets, run }: Call): Promise<void> {
  const about: Omit<Removal, 'node' | 'end' | 'acknowledged'> = { op: 'removal', targets, start: now() }
  const acknowledged = await succeeds(client, call, run)
  client.node.record({ ...about, acknowledged, end: now() })
}

async function succeeds({ node }: Client, call: string, run: () => Promise<unknown>): Promise<boolean> {
  const start = now()
  try {
    await run()
    return true
  } catch (error) {
    node.fail(call, error, start)
    return false
  }
}
