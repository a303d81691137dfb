// What was typed, turned into one command with complete options, or refused.

import { parseArgs } from 'node:util'
import { nearest } from '../core/nearest.ts'
import type { CacheOptions } from '../options.ts'

export type CommandName = 'migrate' | 'sql' | 'status' | 'doctor' | 'prune' | 'drop'

export interface Command {
  readonly name: CommandName | 'help' | 'version'
  readonly options: CacheOptions
  /** `drop` without asking. */
  readonly yes: boolean
  /** `status` and `doctor` for programs. */
  readonly json: boolean
  /** `sql` of the roles, not of the schema; null: of the schema. */
  readonly roles: { readonly owner?: string; readonly application?: string } | null
}

/** What was typed makes no sense; the message says what would. */
export class UsageError extends Error {}

const OPTIONS = {
  url: { type: 'string' },
  'session-url': { type: 'string' },
  schema: { type: 'string' },
  prefix: { type: 'string' },
  channel: { type: 'string' },
  durability: { type: 'string' },
  yes: { type: 'boolean' },
  json: { type: 'boolean' },
  roles: { type: 'boolean' },
  owner: { type: 'string' },
  application: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const

type OptionName = keyof typeof OPTIONS

/** What options of a cache are called here. */
const FLAGS: Readonly<Record<string, OptionName>> = {
  connectionString: 'url',
  sessionConnectionString: 'session-url',
  schema: 'schema',
  schemaPrefix: 'prefix',
  notifyChannel: 'channel',
  durability: 'durability',
}

const WHERE = ['url', 'schema', 'prefix'] as const

const TAKES: Readonly<Record<CommandName, readonly OptionName[]>> = {
  migrate: [...WHERE, 'channel', 'durability'],
  sql: ['schema', 'prefix', 'channel', 'durability', 'roles', 'owner', 'application'],
  status: [...WHERE, 'json'],
  doctor: [...WHERE, 'session-url', 'channel', 'json'],
  prune: WHERE,
  drop: [...WHERE, 'yes'],
}

/** `sql` is about one or the other. */
const OF_THE_SCHEMA: ReadonlySet<OptionName> = new Set(['channel', 'durability'])
const OF_THE_ROLES: ReadonlySet<OptionName> = new Set(['owner', 'application'])

const SEE_HELP = 'see postgres-cache --help'

// Nobody waits at a terminal for what takes longer, and counting may take longer than a cache should wait.
const QUERY_TIMEOUT = '10s'

export function parseArguments(args: readonly string[], environment: NodeJS.ProcessEnv): Command {
  const { values, positionals } = parse(args)
  const { yes = false, json = false } = values
  if (values.help === true) return { name: 'help', options: {}, yes, json, roles: null }
  if (values.version === true) return { name: 'version', options: {}, yes, json, roles: null }

  const [name, ...extra] = positionals
  if (name === undefined) throw new UsageError(`no command given: ${SEE_HELP}`)
  if (!isCommand(name)) throw unknownCommand(name)
  if (extra.length > 0) throw new UsageError(`unexpected argument '${extra.join(' ')}'`)
  for (const given of Object.keys(values) as OptionName[]) {
    if (!TAKES[name].includes(given)) throw new UsageError(`${name} takes no --${given}`)
    if (values.roles === true && OF_THE_SCHEMA.has(given))
      throw new UsageError(`sql --roles takes no --${given}`)
    if (values.roles !== true && OF_THE_ROLES.has(given))
      throw new UsageError(`--${given} is for sql --roles`)
  }

  const options = {
    connectionString: values.url ?? (environment['DATABASE_URL'] || undefined),
    sessionConnectionString: values['session-url'],
    schema: values.schema,
    schemaPrefix: values.prefix,
    notifyChannel: values.channel,
    // Checked with the other options.
    durability: values.durability as CacheOptions['durability'],
    queryTimeout: QUERY_TIMEOUT,
  } as const
  const { owner, application } = values
  const roles = {
    ...(owner !== undefined && { owner }),
    ...(application !== undefined && { application }),
  }
  return { name, options, yes, json, roles: values.roles === true ? roles : null }
}

/** Names flags where a message of the library names options. */
export function inFlags(message: string): string {
  return message.replaceAll(/`(\w+)`/g, (quoted, option: string) => {
    const flag = flagOf(option)
    if (flag === undefined) return quoted
    return flag === 'url' ? '--url (or DATABASE_URL)' : `--${flag}`
  })
}

function flagOf(option: string): OptionName | undefined {
  return Object.hasOwn(FLAGS, option) ? FLAGS[option] : undefined
}

function parse(
  args: readonly string[],
): ReturnType<typeof parseArgs<{ args: string[]; options: typeof OPTIONS; allowPositionals: true }>> {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  } catch (error) {
    // The first sentence says what is wrong; the rest is advice on how to write positional arguments.
    const complaint = String((error as Error).message.split('. ')[0])
    const unknown = /^Unknown option '--?(?<name>[^']*)'/.exec(complaint)?.groups?.['name']
    throw new UsageError(unknown === undefined ? complaint : `${complaint}: ${adviseOnOption(unknown)}`)
  }
}

function adviseOnOption(name: string): string {
  const meant = flagOf(name) ?? nearest(name, Object.keys(OPTIONS))
  return meant === undefined ? SEE_HELP : `did you mean '--${meant}'?`
}

function isCommand(name: string): name is CommandName {
  return Object.hasOwn(TAKES, name)
}

function unknownCommand(name: string): UsageError {
  const meant = nearest(name, Object.keys(TAKES))
  const advice = meant === undefined ? SEE_HELP : `did you mean '${meant}'?`
  return new UsageError(`unknown command '${name}': ${advice}`)
}
