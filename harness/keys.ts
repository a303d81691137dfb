// What is cached, under which names. Accounts and the totals of their organisations have a source: one ledger is invalidated by the transactions
// that change it, the other one by a watch. Registers have none: the last set is the truth.

import type { Random } from './random.ts'

export const LEDGERS = ['account', 'watched'] as const
export type Ledger = (typeof LEDGERS)[number]

export const ACCOUNTS = 96
export const ORGS = 8

/** Within the namespace `register`. */
export const REGISTER_NAMESPACE = 'register'
export const REGISTERS = 48
const REGISTER_SHELVES = 4
const REGISTER_GROUPS = 6

// Rarely changed, by sets that soon expire and nothing else: a load that lasts long enough finds no trace of them.
const QUIET_ACCOUNTS = 4
export const isQuiet = (account: number): boolean => account >= ACCOUNTS - QUIET_ACCOUNTS
export const drawQuiet = (random: Random): number => ACCOUNTS - 1 - random.below(QUIET_ACCOUNTS)

export const orgOf = (account: number): number => account % ORGS

export const accountKey = (ledger: Ledger, account: number): string => `${accountPrefix(ledger, account)}view`
export const accountPrefix = (ledger: Ledger, account: number): string => `${ledger}:${account}:`
export const accountTag = (ledger: Ledger, account: number): string => `${ledger}:${account}`

export const totalKey = (ledger: Ledger, org: number): string => `${orgTag(ledger, org)}:total`
export const totalTag = (ledger: Ledger, org: number): string => `${orgTag(ledger, org)}:totals`
/** On the accounts of the organisation and on its total. */
export const orgTag = (ledger: Ledger, org: number): string => `${ledger}-org:${org}`

export const tagsOfAccount = (ledger: Ledger, account: number): string[] =>
  isQuiet(account)
    ? [accountTag(ledger, account)]
    : [accountTag(ledger, account), orgTag(ledger, orgOf(account))]
export const tagsOfTotal = (ledger: Ledger, org: number): string[] => [
  totalTag(ledger, org),
  orgTag(ledger, org),
]

/** Without the namespace. */
export const registerKey = (register: number): string => `${shelfPrefix(register)}${register}`
export const shelfPrefix = (register: number): string => `shelf${register % REGISTER_SHELVES}:`
export const registerTag = (register: number): string => `group:${register % REGISTER_GROUPS}`

/** How the watched ledger names what a change of a row invalidates. */
export const WATCH = { keys: ['watched:{id}:view'], tags: ['watched-org:{org}'] }
