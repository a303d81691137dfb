// What each command does. Results go to standard output; questions and remarks to standard error.

import { readFileSync } from 'node:fs'
import { CacheError } from '../core/errors.ts'
import { examine } from '../examination.ts'
import { type CacheOptions, DEFAULT_SCHEMA } from '../options.ts'
import {
  inspectSchema,
  migrateSchema,
  pruneStore,
  readStoreStatus,
  removeSchema,
  renderMigrations,
  renderRoles,
} from '../schema.ts'
import { type Command, type CommandName, UsageError } from './arguments.ts'
import { confirm } from './confirm.ts'
import { diagnose, renderFindings } from './diagnosis.ts'
import { formatMany } from './figures.ts'
import { HELP } from './help.ts'
import { renderStatus } from './status-text.ts'

type Run = (command: Command) => Promise<number>

const COMMANDS: Readonly<Record<CommandName | 'help' | 'version', Run>> = {
  migrate,
  sql,
  status,
  doctor,
  prune,
  drop,
  help: async () => print(HELP),
  version: async () => print(readVersion()),
}

/** Resolves to the exit code. */
export function run(command: Command): Promise<number> {
  return COMMANDS[command.name](command)
}

async function migrate({ options }: Command): Promise<number> {
  const { version: before, settings } = await inspectSchema(options, 'migrate')
  if (settings !== null) {
    refuseChange('--channel', options.notifyChannel, settings.notifyChannel)
    refuseChange('--durability', options.durability, settings.durability)
  }
  const version = await migrateSchema(options)
  if (before === 0) return print(`installed version ${version} in ${nameOf(options)}`)
  if (before === version) return print(`nothing to do: ${nameOf(options)} has version ${version}`)
  return print(`upgraded ${nameOf(options)} from version ${before} to ${version}`)
}

async function sql({ options, roles }: Command): Promise<number> {
  process.stdout.write(roles === null ? renderMigrations(options) : renderRoles(options, roles))
  return 0
}

async function status({ options, json }: Command): Promise<number> {
  const found = await readStoreStatus(options)
  return print(json ? JSON.stringify(found, null, 2) : renderStatus(found))
}

async function doctor({ options, json }: Command): Promise<number> {
  const findings = diagnose(await examine(options))
  print(json ? JSON.stringify(findings, null, 2) : renderFindings(findings))
  return findings.some(({ verdict }) => verdict === 'problem') ? 1 : 0
}

async function prune({ options }: Command): Promise<number> {
  const removed = await pruneStore(options)
  return print(
    `removed ${formatMany(removed, 'expired or invalidated entry', 'expired or invalidated entries')}`,
  )
}

async function drop({ options, yes }: Command): Promise<number> {
  if (!yes && !process.stdin.isTTY) throw new UsageError('drop removes everything: confirm it with --yes')
  const { version, database } = await inspectSchema(options, 'drop')
  if (version === 0) return print(`nothing to do: nothing is installed in ${nameOf(options)}`)
  const question = `Remove ${nameOf(options)} with all its entries from database ${database}?`
  if (!yes && !(await confirm(question))) {
    console.error('nothing was removed')
    return 1
  }
  await removeSchema(options)
  return print(`removed ${nameOf(options)}`)
}

function refuseChange(flag: string, wanted: string | undefined, installed: string): void {
  if (wanted === undefined || wanted === installed) return
  throw new CacheError(
    'settings-mismatch',
    `${flag} is ${wanted}, but the schema was installed with ${installed}: drop it first to change that`,
  )
}

function nameOf({ schema = DEFAULT_SCHEMA, schemaPrefix = '' }: CacheOptions): string {
  return schemaPrefix === '' ? `schema ${schema}` : `schema ${schema}, prefix ${schemaPrefix}`
}

function readVersion(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

function print(text: string): number {
  console.log(text)
  return 0
}
