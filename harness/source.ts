// The source rows, and the truth about every key that is made from them, as one view of the database. A row of harness.versions for each key orders
// the transactions that change it.

import type { ClientBase, Pool } from 'pg'
import { ACCOUNTS, accountKey, type Ledger, LEDGERS, orgOf, ORGS, totalKey } from './keys.ts'
import type { Version } from './history.ts'

/** The value of every key with a source. */
export interface Balance extends Version {
  /** Null: the account is deleted. */
  readonly balance: number | null
}

export const SEED_STAMP = 'seed'

export const SOURCE_SQL = `
create schema harness;
create table harness.account (id integer primary key, org integer not null, balance integer not null);
create table harness.watched (like harness.account including all);
create table harness.versions (
  key text primary key, kind text not null, id integer not null, version integer not null, stamp text not null
) with (fillfactor = 50);
create view harness.truth as
select v.key, jsonb_build_object('version', v.version, 'stamp', v.stamp, 'balance', case v.kind
    when 'account' then (select r.balance from harness.account as r where r.id = v.id)
    when 'watched' then (select r.balance from harness.watched as r where r.id = v.id)
    when 'account total' then (select sum(r.balance) from harness.account as r where r.org = v.id)
    when 'watched total' then (select sum(r.balance) from harness.watched as r where r.org = v.id)
  end) as value
from harness.versions as v;`

export async function seedSource(client: ClientBase): Promise<void> {
  for (const ledger of LEDGERS) {
    await client.query(
      `insert into harness.${ledger} select i, i % $1, 100 from generate_series(0, $2 - 1) as i`,
      [ORGS, ACCOUNTS],
    )
    const add = (key: string, kind: string, id: number): Promise<unknown> =>
      client.query('insert into harness.versions values ($1, $2, $3, 0, $4)', [key, kind, id, SEED_STAMP])
    for (let i = 0; i < ACCOUNTS; i++) await add(accountKey(ledger, i), ledger, i)
    for (let i = 0; i < ORGS; i++) await add(totalKey(ledger, i), `${ledger} total`, i)
  }
}

/** The keys of a ledger's accounts and totals. */
export function sourceKeys(): string[] {
  return LEDGERS.flatMap((ledger) => [
    ...Array.from({ length: ACCOUNTS }, (_, i) => accountKey(ledger, i)),
    ...Array.from({ length: ORGS }, (_, i) => totalKey(ledger, i)),
  ])
}

/** In one statement, and so in one snapshot. */
export async function readTruth(client: ClientBase | Pool, key: string): Promise<Balance> {
  const { rows } = await client.query<{ value: Balance }>('select value from harness.truth where key = $1', [
    key,
  ])
  const [row] = rows
  if (row === undefined) throw new Error(`no source row of ${key}`)
  return row.value
}

/** Keeps others from changing what these keys are made from, until the transaction ends. Keys in one order, so that callers do not deadlock. */
export async function lockKeys(client: ClientBase, keys: readonly string[]): Promise<void> {
  for (const key of keys.toSorted())
    await client.query('select from harness.versions where key = $1 for update', [key])
}

export type Change = 'add' | 'delete' | 'insert'

/** What an account's value will be after a change by `amount`. */
export function predict(
  { version, balance }: Balance,
  change: Change,
  amount: number,
  stamp: string,
): Balance {
  const next = change === 'delete' ? null : change === 'insert' ? amount : (balance ?? 0) + amount
  return { version: version + 1, stamp, balance: next }
}

/** The change that fits what is there. */
export function changeFor({ balance }: Balance, remove: boolean): Change {
  if (balance === null) return 'insert'
  return remove ? 'delete' : 'add'
}

export async function changeAccount(
  client: ClientBase,
  { ledger, account, change, amount }: { ledger: Ledger; account: number; change: Change; amount: number },
): Promise<void> {
  if (change === 'delete') await client.query(`delete from harness.${ledger} where id = $1`, [account])
  else if (change === 'insert')
    await client.query(`insert into harness.${ledger} values ($1, $2, $3)`, [account, orgOf(account), amount])
  else
    await client.query(`update harness.${ledger} set balance = balance + $2 where id = $1`, [account, amount])
}

/** Returns the new versions by key. */
export async function raiseVersions(
  client: ClientBase,
  keys: readonly string[],
  stamp: string,
): Promise<Map<string, number>> {
  const versions = new Map<string, number>()
  for (const key of keys.toSorted()) {
    const { rows } = await client.query<{ version: number }>(
      'update harness.versions set version = version + 1, stamp = $2 where key = $1 returning version',
      [key, stamp],
    )
    versions.set(key, rows[0]?.version ?? 0)
  }
  return versions
}
