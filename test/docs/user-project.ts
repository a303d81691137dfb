// A folder that looks like a user's project, with code blocks of the documentation as its modules, compiled against the built package.

import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { atEndOfFile } from '../end-of-file.ts'
import type { Block } from './markdown.ts'

export interface UserProject {
  /** What the compiler has to say. */
  readonly complaints: string
  /** The path of the compiled block. */
  readonly moduleOf: (block: Block) => string
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

const PRELUDE = `
import { PostgresCache } from 'postgres-cache'
export interface User { id: number; name: string }
export const cache = new PostgresCache({ connectionString: process.env.DATABASE_URL })
export const loadUser = async (id: number): Promise<User> => ({ id, name: 'Ava' })
export const saveUser = async (_user: User): Promise<void> => {}
`
const COMPILER_OPTIONS = {
  target: 'es2022',
  lib: ['es2023', 'esnext.disposable'],
  module: 'nodenext',
  types: ['node'],
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: true,
  outDir: 'out',
}
const PACKAGES = [
  'pg',
  '@types/pg',
  '@types/node',
  '@keyv/postgres',
  'bentocache',
  'cache-manager',
  'drizzle-orm',
  'ioredis',
  'keyv',
  'knex',
  'kysely',
  'lru-cache',
  'postgres',
  'typeorm',
  'zod',
]

const run = promisify(execFile)
const nameOf = ({ page, line }: Block): string => `${page.replaceAll(/[^a-zA-Z]/g, '_')}_${line}`

/** Compiles all blocks at once. The folder lives until the test file ends. */
export async function createUserProject(blocks: readonly Block[]): Promise<UserProject> {
  const folder = mkdtempSync(join(tmpdir(), 'postgres-cache-docs-'))
  atEndOfFile(async () => rmSync(folder, { recursive: true }))
  const modules = join(folder, 'node_modules')
  symlinkSync(ROOT, linkIn(modules, 'postgres-cache'), 'junction')
  for (const name of PACKAGES)
    symlinkSync(join(ROOT, 'node_modules', name), linkIn(modules, name), 'junction')
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: COMPILER_OPTIONS }))
  writeFileSync(join(folder, 'prelude.ts'), PRELUDE)
  for (const block of blocks) writeFileSync(join(folder, `${nameOf(block)}.ts`), toModule(block))
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
  const compiled = run(process.execPath, [compiler, '-p', folder, '--pretty', 'false'])
  const { stdout } = await compiled.catch((error: { stdout: string }) => error)
  return { complaints: stdout, moduleOf: (block) => join(folder, 'out', `${nameOf(block)}.js`) }
}

/** The path of a package, in a folder that exists. */
function linkIn(modules: string, name: string): string {
  const path = join(modules, name)
  mkdirSync(dirname(path), { recursive: true })
  return path
}

/** Lines are those of the page, for the compiler's messages. */
function toModule({ line, code }: Block): string {
  const isWhole = /^import /m.test(code)
  const head = isWhole ? '' : `import { type User, cache, loadUser, saveUser } from './prelude.js'`
  const tail = isWhole ? 'export {}\n' : 'await cache.close()\n'
  return head + '\n'.repeat(line) + code + tail
}
