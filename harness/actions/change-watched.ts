// Transactions that change the watched ledger and never speak to the cache.

import { accountKey, orgOf, totalKey } from '../keys.ts'
import type { Client } from '../node.ts'
import { pause } from '../pause.ts'
import { changeAccount, changeFor, lockKeys, raiseVersions, readTruth } from '../source.ts'
import { drawAccounts } from './change-accounts.ts'
import { transact } from './transact.ts'

const HOLD_MS = 60

export async function changeWatched(client: Client): Promise<void> {
  const { random } = client
  const accounts = drawAccounts(client)
  const keys = accounts.map((account) => accountKey('watched', account))
  const totalKeys = [...new Set(accounts.map(orgOf))].map((org) => totalKey('watched', org))

  await transact(client, 'statement', async ({ tx, stamp }) => {
    if (random.chance(0.2)) {
      await tx.query('savepoint attempt')
      await lockKeys(tx, keys)
      await tx.query('update harness.watched set balance = -1 where id = any ($1)', [accounts])
      await tx.query('rollback to savepoint attempt')
    }
    await lockKeys(tx, keys)
    if (random.chance(0.3)) {
      await tx.query('update harness.watched set balance = balance + 1 where id = any ($1)', [accounts])
    }
    for (const account of accounts) {
      const change = changeFor(await readTruth(tx, accountKey('watched', account)), random.chance(0.15))
      await changeAccount(tx, { ledger: 'watched', account, change, amount: random.below(100) })
    }
    if (random.chance(0.2)) await pause(random.below(HOLD_MS))
    const versions = await raiseVersions(tx, keys, stamp)
    return new Map([...versions, ...(await raiseVersions(tx, totalKeys, stamp))])
  })
}
