// The command line of the churn.

import { parseArgs } from 'node:util'

export interface ChurnSettings {
  readonly minutes: number
  /** Sets in a second. */
  readonly rate: number
  readonly keys: number
  readonly maxEntries: number | null
  readonly maxBytes: number | null
  readonly save: boolean
  readonly command: string
}

const MIB = 1024 * 1024

export const USAGE = `npm run bench:churn -- [flags]

  --minutes 30         how long; under 15 nothing is saved
  --rate 3000          sets in a second, besides a third as many gets
  --keys 1000000       they are of so many keys, with a ttl of 1 to 60 s
  --max-entries 80000  store.maxEntries; 0: none
  --max-mib 192        store.maxBytes; 0: none

DATABASE_URL names a server to use instead of starting one; its CPU time cannot be told then.`

const MIN_SAVED_MINUTES = 15

export function parseSettings(argv: readonly string[]): ChurnSettings | 'help' {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      minutes: { type: 'string', default: '30' },
      rate: { type: 'string', default: '3000' },
      keys: { type: 'string', default: '1000000' },
      'max-entries': { type: 'string', default: '80000' },
      'max-mib': { type: 'string', default: '192' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  const number = (flag: 'minutes' | 'rate' | 'keys' | 'max-entries' | 'max-mib'): number => {
    const value = Number(values[flag])
    if (Number.isFinite(value) && value >= 0) return value
    throw new Error(`Expected --${flag} to be a number, got \`${values[flag]}\``)
  }
  const minutes = number('minutes')
  return {
    minutes,
    rate: number('rate'),
    keys: number('keys'),
    maxEntries: number('max-entries') || null,
    maxBytes: number('max-mib') * MIB || null,
    save: minutes >= MIN_SAVED_MINUTES,
    command: ['npm run bench:churn --', ...argv].join(' '),
  }
}
