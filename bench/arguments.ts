// The command line.

import { parseArgs } from 'node:util'
import { CONTENDER_NAMES, type ContenderName } from './contenders.ts'
import type { Scenario, Settings } from './scenario.ts'
import { SCENARIOS } from './scenarios.ts'

export interface Arguments {
  readonly scenarios: readonly Scenario[]
  readonly contenders: readonly ContenderName[]
  readonly settings: Settings
  /** Prints the result as JSON instead of tables. */
  readonly json: boolean
  /** As it can be given again. */
  readonly command: string
}

export const USAGE: string = `npm run bench -- [scenario or contender …] [flags]
npm run bench:cleanup

  scenarios            ${SCENARIOS.map(({ name }) => name).join(', ')}; none: all of them
                       \`scale\` stands for all that begin with it
  contenders           ${CONTENDER_NAMES.join(', ')}; none: all of them
  --scenario NAMES, --contenders NAMES   the same as flags, with commas
  --quick              at most three minutes; the figures mean little
  --json               the result as JSON on standard output

Flags of the original's benchmark, for the scenario \`original\`:
  --writers 16  --readers 32  --write-iterations 400  --read-iterations 800  --keyspace 64  --ttl 5 (seconds)
  --network-latency-ms 0  --network-jitter-ms 0  --backends NAMES (the same as --contenders)

DATABASE_URL and VALKEY_URL name servers to use instead of starting some, POSTGRES_BIN the folder of the PostgreSQL to start.`

/** 'help' or 'cleanup' where that was asked for. Throws on what it does not know. */
export function parseArguments(argv: readonly string[]): Arguments | 'help' | 'cleanup' {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      scenario: { type: 'string', multiple: true, default: [] },
      contenders: { type: 'string', multiple: true, default: [] },
      backends: { type: 'string', multiple: true, default: [] },
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      writers: { type: 'string', default: '16' },
      readers: { type: 'string', default: '32' },
      'write-iterations': { type: 'string', default: '400' },
      'read-iterations': { type: 'string', default: '800' },
      keyspace: { type: 'string', default: '64' },
      ttl: { type: 'string', default: '5' },
      'network-latency-ms': { type: 'string', default: '0' },
      'network-jitter-ms': { type: 'string', default: '0' },
    },
  })
  if (values.help) return 'help'
  if (positionals[0] === 'cleanup') return 'cleanup'
  const contenderNames = positionals.filter((name) => CONTENDER_NAMES.some((known) => known === name))
  const others = positionals.filter((name) => !contenderNames.includes(name))
  const number = (flag: NumberFlag, least: number): number => checkNumber(flag, values[flag], least)
  return {
    scenarios: select(
      'scenario',
      SCENARIOS,
      [...others, ...names(values.scenario)],
      // `scale` stands for scale-tags, too.
      (full, name) => full === name || full.startsWith(`${name}-`),
    ),
    contenders: select(
      'contender',
      CONTENDER_NAMES.map((name) => ({ name })),
      [...contenderNames, ...names([...values.contenders, ...values.backends])],
      (full, name) => full === name,
    ).map(({ name }) => name),
    settings: {
      effort: values.quick ? 'quick' : 'full',
      original: {
        writers: number('writers', 1),
        readers: number('readers', 1),
        writeIterations: number('write-iterations', 1),
        readIterations: number('read-iterations', 1),
        keyspace: number('keyspace', 1),
        ttlMs: number('ttl', 0.001) * 1000,
        networkLatencyMs: number('network-latency-ms', 0),
        networkJitterMs: number('network-jitter-ms', 0),
      },
    },
    json: values.json,
    command: ['npm run bench --', ...argv].join(' '),
  }
}

type NumberFlag =
  | 'writers'
  | 'readers'
  | 'write-iterations'
  | 'read-iterations'
  | 'keyspace'
  | 'ttl'
  | 'network-latency-ms'
  | 'network-jitter-ms'

function checkNumber(flag: NumberFlag, given: string, least: number): number {
  const value = Number(given)
  if (given !== '' && Number.isFinite(value) && value >= least) return value
  throw new Error(`Expected --${flag} to be a number of at least ${least}, got \`${given}\``)
}

/** Names may be given one by one or with commas. */
function names(given: readonly string[]): string[] {
  return given.flatMap((list) => list.split(',')).filter((name) => name !== '')
}

function select<T extends { readonly name: string }>(
  what: string,
  known: readonly T[],
  wanted: readonly string[],
  isMeant: (full: string, name: string) => boolean,
): readonly T[] {
  if (wanted.length === 0) return known
  const unknown = wanted.find((name) => !known.some((each) => isMeant(each.name, name)))
  if (unknown === undefined) return known.filter((each) => wanted.some((name) => isMeant(each.name, name)))
  throw new Error(`There is no ${what} \`${unknown}\`, only ${known.map(({ name }) => name).join(', ')}`)
}
