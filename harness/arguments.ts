// The command line.

import { parseArgs } from 'node:util'

/** What every process of a run is told. */
export interface Plan {
  readonly preset: 'mixed' | 'original'
  /** The cache that deletes rows inside the caller's transaction and upserts after loads. */
  readonly naive: boolean
  readonly processes: number
  /** In each process. */
  readonly clients: number
  readonly seconds: number
  readonly seed: string
  /** Servers, connections and processes are disturbed, and what grows is a violation. */
  readonly soak: boolean
  readonly durability: 'unlogged' | 'logged'
  /** Two or more are killed all the time, in the middle of any step. */
  readonly sweepers: number
  /** Where every process connects instead of the server. */
  readonly pooler: string | null
  readonly original: OriginalProfile
}

/** Those of the original's load test. */
export interface OriginalProfile {
  readonly writers: number
  readonly readers: number
  readonly writeIterations: number
  readonly readIterations: number
  readonly ttlMs: number
}

export const USAGE = `npm run harness -- [flags]

  --seconds 30       how long the clients work
  --processes 4      processes, each with a cache of its own
  --clients 12       clients in each process
  --seed TEXT        repeats what the clients choose; the default is new each time
  --soak             half an hour of eight processes with faults every few seconds, of a fixed seed; what grows is found, too
  --durability unlogged  or logged: what is stored survives a crash
  --sweepers 1       two or more are killed all the time, in the middle of any step
  --pooler URL       its host and port in the place of the server's
  --naive            a cache without fences instead: it must be caught
  --preset original  the original's load test, with its flags:
                     --writers 10  --reads 10  --write-iterations 200  --read-iterations 400  --ttl 2 (seconds)

DATABASE_URL names a server to use instead of starting one; a database is created there and dropped in the end.
Ends with 1 where a promise was broken.`

/** 'help' where that was asked for. Throws on what it does not know. */
export function parseArguments(argv: readonly string[]): Plan | 'help' {
  const isSoak = argv.includes('--soak')
  const { values } = parseArgs({
    args: [...argv],
    options: {
      preset: { type: 'string', default: 'mixed' },
      naive: { type: 'boolean', default: false },
      soak: { type: 'boolean', default: false },
      durability: { type: 'string', default: 'unlogged' },
      processes: { type: 'string', default: isSoak ? '8' : '4' },
      clients: { type: 'string', default: '12' },
      seconds: { type: 'string', default: isSoak ? '1800' : '30' },
      seed: { type: 'string', default: isSoak ? 'soak' : Date.now().toString(36) },
      sweepers: { type: 'string', default: isSoak ? '2' : '1' },
      pooler: { type: 'string' },
      writers: { type: 'string', default: '10' },
      reads: { type: 'string', default: '10' },
      'write-iterations': { type: 'string', default: '200' },
      'read-iterations': { type: 'string', default: '400' },
      ttl: { type: 'string', default: '2' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  if (values.preset !== 'mixed' && values.preset !== 'original')
    throw new Error(`Expected --preset to be mixed or original, got \`${values.preset}\``)
  if (values.durability !== 'unlogged' && values.durability !== 'logged')
    throw new Error(`Expected --durability to be unlogged or logged, got \`${values.durability}\``)
  return {
    preset: values.preset,
    durability: values.durability,
    naive: values.naive,
    processes: checkNumber('processes', values.processes, 1),
    clients: checkNumber('clients', values.clients, 1),
    seconds: checkNumber('seconds', values.seconds, 1),
    seed: values.seed,
    soak: values.soak,
    sweepers: checkNumber('sweepers', values.sweepers, 1),
    pooler: values.pooler ?? null,
    original: {
      writers: checkNumber('writers', values.writers, 1),
      readers: checkNumber('reads', values.reads, 1),
      writeIterations: checkNumber('write-iterations', values['write-iterations'], 1),
      readIterations: checkNumber('read-iterations', values['read-iterations'], 1),
      ttlMs: checkNumber('ttl', values.ttl, 0.001) * 1000,
    },
  }
}

/** The command that runs the same plan again. */
export function toCommand({
  preset,
  naive,
  processes,
  clients,
  seconds,
  seed,
  soak,
  durability,
  sweepers,
  pooler,
  original,
}: Plan): string {
  const { writers, readers, writeIterations, readIterations, ttlMs } = original
  return [
    'npm run harness --',
    ...(preset === 'mixed'
      ? [`--seconds ${seconds} --clients ${clients}`]
      : [
          `--preset original --writers ${writers} --reads ${readers} --write-iterations ${writeIterations}`,
          `--read-iterations ${readIterations} --ttl ${ttlMs / 1000}`,
        ]),
    `--processes ${processes} --seed ${seed}`,
    ...(soak ? ['--soak'] : []),
    ...(durability === 'unlogged' ? [] : [`--durability ${durability}`]),
    ...(sweepers === 1 ? [] : [`--sweepers ${sweepers}`]),
    ...(pooler === null ? [] : [`--pooler ${pooler}`]),
    ...(naive ? ['--naive'] : []),
  ].join(' ')
}

function checkNumber(flag: string, given: string, least: number): number {
  const value = Number(given)
  if (given !== '' && Number.isFinite(value) && value >= least) return value
  throw new Error(`Expected --${flag} to be a number of at least ${least}, got \`${given}\``)
}
