// Transactions that change accounts and say so to the cache, before or after, one way or another.

import {
  accountKey,
  ACCOUNTS,
  accountPrefix,
  accountTag,
  drawQuiet,
  isQuiet,
  orgOf,
  ORGS,
  orgTag,
  tagsOfAccount,
  tagsOfTotal,
  totalKey,
  totalTag,
} from '../keys.ts'
import type { Client } from '../node.ts'
import { pause } from '../pause.ts'
import { changeAccount, changeFor, lockKeys, predict, raiseVersions, readTruth } from '../source.ts'
import { Calls, transact, type Transaction } from './transact.ts'

// Much of what is set expires soon, so that the sweep may remove it.
const SHORT_TTL_MS = 100
const TTLS_MS = [SHORT_TTL_MS, 4_000] as const
const HOLD_MS = 60
const LONG_HOLD_MS = 1_500

const WAYS = ['invalidate', 'delete', 'tag', 'prefix', 'set'] as const

/** What will happen to one account. */
interface Intent {
  readonly account: number
  readonly amount: number
  readonly remove: boolean
  readonly way: (typeof WAYS)[number]
  /** Before the change. */
  readonly early: boolean
  readonly ttl: number
}

export async function changeAccounts(client: Client): Promise<void> {
  const { random } = client
  const intents = drawAccounts(client).map((account): Intent => ({
    account,
    amount: random.below(100),
    remove: random.chance(0.15),
    way: isQuiet(account) ? 'set' : random.pick(WAYS),
    early: random.chance(0.5),
    ttl: isQuiet(account) ? SHORT_TTL_MS : random.pick(TTLS_MS),
  }))
  const keys = intents.map(({ account }) => accountKey('account', account))
  const orgs = [...new Set(intents.map(({ account }) => orgOf(account)))]
  const locksFirst = intents.some(({ way, early }) => way === 'set' && early)

  await transact(client, 'transaction', async (transaction) => {
    const { tx, stamp } = transaction
    const calls = await Calls.begin(client, tx)
    if (locksFirst) await lockKeys(tx, keys)
    for (const intent of intents) if (intent.early) await announce(calls, transaction, intent, 'early')
    // Held open for a while, and nobody waits for it.
    if (!locksFirst && random.chance(0.04)) await pause(random.below(LONG_HOLD_MS))
    if (random.chance(0.2)) await attemptInVain(client, calls, transaction, intents[0] as Intent)

    const inSavepoint = random.chance(0.2)
    if (inSavepoint) await tx.query('savepoint change')
    await lockKeys(tx, keys)
    for (const { account, amount, remove } of intents) {
      const change = changeFor(await readTruth(tx, accountKey('account', account)), remove)
      await changeAccount(tx, { ledger: 'account', account, change, amount })
    }
    const versions = await raiseVersions(tx, keys, stamp)
    if (random.chance(0.2)) await pause(random.below(HOLD_MS))
    for (const intent of intents) if (!intent.early) await announce(calls, transaction, intent, 'late')
    if (inSavepoint) await tx.query('release savepoint change')

    const totalVersions = await changeTotals(client, calls, transaction, orgs)
    if (random.chance(0.1)) await pause(random.below(HOLD_MS))
    return new Map([...versions, ...totalVersions])
  })
}

/** The last locks, which every transaction of an organisation wants. */
async function changeTotals(
  { random }: Client,
  calls: Calls,
  { tx, stamp }: Transaction,
  orgs: readonly number[],
): Promise<Map<string, number>> {
  const ways = orgs.map((org) => ({ org, way: random.pick(['invalidate', 'tag', 'org tag', 'set']) }))
  const announceTotal = async ({ org, way }: (typeof ways)[number]): Promise<void> => {
    const key = totalKey('account', org)
    if (way === 'invalidate') await calls.invalidate(key)
    else if (way === 'tag') await calls.invalidateTags(totalTag('account', org))
    else if (way === 'org tag') await calls.invalidateTags(orgTag('account', org), totalTag('account', org))
    else
      await calls.set(key, await readTruth(tx, key), {
        ttl: random.pick(TTLS_MS),
        tags: tagsOfTotal('account', org),
      })
  }
  const early = ways.filter(({ way }) => way !== 'set' && random.chance(0.5))
  for (const each of early) await announceTotal(each)
  const versions = await raiseVersions(
    tx,
    orgs.map((org) => totalKey('account', org)),
    stamp,
  )
  for (const each of ways) if (!early.includes(each)) await announceTotal(each)
  return versions
}

async function announce(
  calls: Calls,
  { tx, stamp }: Transaction,
  { account, amount, remove, way, ttl }: Intent,
  when: 'early' | 'late',
): Promise<void> {
  const key = accountKey('account', account)
  if (way === 'invalidate') return calls.invalidate(key)
  if (way === 'delete') return calls.delete(key)
  if (way === 'tag') return calls.invalidateTags(accountTag('account', account))
  if (way === 'prefix') return calls.deleteByPrefix(accountPrefix('account', account))
  const truth = await readTruth(tx, key)
  const value = when === 'late' ? truth : predict(truth, changeFor(truth, remove), amount, stamp)
  return calls.set(key, value, { ttl, tags: tagsOfAccount('account', account) })
}

/** A change with everything that belongs to it, taken back to a savepoint. */
async function attemptInVain(
  { random }: Client,
  calls: Calls,
  { tx, stamp }: Transaction,
  { account, amount, ttl }: Intent,
): Promise<void> {
  const key = accountKey('account', account)
  await tx.query('savepoint attempt')
  await lockKeys(tx, [key])
  const version = await raiseVersions(tx, [key], `${stamp} in vain`)
  if (random.chance(0.7)) {
    const value = { version: version.get(key) ?? 0, stamp: `${stamp} in vain`, balance: amount }
    await calls.set(key, value, { ttl, tags: tagsOfAccount('account', account) })
  }
  if (random.chance(0.5)) await calls.invalidate(key)
  await tx.query('rollback to savepoint attempt')
}

/** A few, a quiet one, or all of one organisation. In ascending order. */
export function drawAccounts({ random }: Client): number[] {
  if (random.chance(0.1)) return [drawQuiet(random)]
  if (random.chance(0.04)) {
    const org = random.below(ORGS)
    return Array.from({ length: ACCOUNTS }, (_, i) => i).filter((account) => orgOf(account) === org)
  }
  const accounts = Array.from({ length: 1 + random.below(3) }, () => random.skewed(ACCOUNTS))
  return [...new Set(accounts)].toSorted((a, b) => a - b)
}
