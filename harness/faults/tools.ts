// Programs that npm does not have. Without one of them the tests that need it are skipped by name; in CI that fails.

import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe } from 'vitest'
import { INSTALLED_POSTGRES } from './installed-postgres.ts'

export const LIBFAKETIME: string | undefined = findLibrary('faketime/libfaketime.so.1')

const TOOLS = {
  'PgBouncer (apt-get install pgbouncer)': () => canRun('pgbouncer', '--version'),
  'an installed PostgreSQL (apt-get install postgresql)': () => INSTALLED_POSTGRES !== undefined,
  'network namespaces (root, and apt-get install iproute2)': canMakeNamespaces,
  'libfaketime (apt-get install faketime)': () => LIBFAKETIME !== undefined,
  'small file systems (root on Linux)': () => isRoot() && canRun('unshare', '--mount', 'true'),
} as const

export type Tool = keyof typeof TOOLS

export function missingTools(): Tool[] {
  return (Object.keys(TOOLS) as Tool[]).filter((tool) => !TOOLS[tool]())
}

export function describeWith(tool: Tool, name: string, tests: () => void): void {
  const isMissing = !TOOLS[tool]()
  describe.skipIf(isMissing)(`${name}${isMissing ? ` [needs ${tool}]` : ''}`, () => {
    tests()
  })
}

function canRun(program: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore', env: { ...process.env, PATH: searchPath() } })
    return true
  } catch {
    return false
  }
}

// Root in a container may lack the right.
function canMakeNamespaces(): boolean {
  const name = `postgres-cache-${process.pid}`
  return isRoot() && canRun('ip', 'netns', 'add', name) && canRun('ip', 'netns', 'delete', name)
}

/** Debian keeps servers where only root looks. */
export function searchPath(): string {
  return `${process.env['PATH']}:/usr/sbin:/sbin`
}

function isRoot(): boolean {
  return process.getuid?.() === 0
}

function findLibrary(file: string): string | undefined {
  if (process.platform !== 'linux') return undefined
  const folders = readdirSync('/usr/lib', { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return folders.map(({ name }) => join('/usr/lib', name, file)).find((path) => existsSync(path))
}
