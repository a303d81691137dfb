// Every code block of the documentation is compiled and run, in a folder that looks like a user's project.
//
// ts    compiled against the built package and run on a database of its own. What it prints has to stand behind its
//       console.log. A block without an import gets what PRELUDE exports. `ts no-run`: compiled only.
// sql   run where the cache is installed, in a transaction that is rolled back.
// sh    every command has to exist: npm's, the scripts of package.json, those of `postgres-cache`.

import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { createDatabase } from '../database.ts'
import { atEndOfFile } from '../end-of-file.ts'
import { type Block, blocksOf, readPage, readPages } from './markdown.ts'

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
const PACKAGES = ['pg', '@types/pg', '@types/node', 'bentocache', 'cache-manager', 'ioredis', 'lru-cache']
const SHOWN = /console\.log\(.*\)\s*\/\/ (.+)$/gm

const run = promisify(execFile)
const blocks = readPages().flatMap(blocksOf)
const inLanguage = (language: string): Block[] => blocks.filter((block) => block.language === language)
const nameOf = ({ page, line }: Block): string => `${page.replaceAll(/[^a-zA-Z]/g, '_')}_${line}`
const titleOf = ({ page, line }: Block): string => `${page}:${line}`

/** Compiles all blocks at once, and returns what the compiler has to say. */
async function compile(folder: string, sources: readonly Block[]): Promise<string> {
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, '@types'), { recursive: true })
  symlinkSync(ROOT, join(modules, 'postgres-cache'), 'junction')
  for (const name of PACKAGES) symlinkSync(join(ROOT, 'node_modules', name), join(modules, name), 'junction')
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: COMPILER_OPTIONS }))
  writeFileSync(join(folder, 'prelude.ts'), PRELUDE)
  for (const block of sources) writeFileSync(join(folder, `${nameOf(block)}.ts`), toModule(block))
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
  const compiled = run(process.execPath, [compiler, '-p', folder, '--pretty', 'false'])
  const { stdout } = await compiled.catch((error: { stdout: string }) => error)
  return stdout
}

/** Lines are those of the page, for the compiler's messages. */
function toModule({ line, code }: Block): string {
  const isWhole = /^import /m.test(code)
  const head = isWhole ? '' : `import { type User, cache, loadUser, saveUser } from './prelude.js'`
  const tail = isWhole ? 'export {}\n' : 'await cache.close()\n'
  return head + '\n'.repeat(line) + code + tail
}

describe('the TypeScript of the documentation', () => {
  let folder: string
  let complaints: string

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'postgres-cache-docs-'))
    atEndOfFile(async () => rmSync(folder, { recursive: true }))
    complaints = await compile(folder, inLanguage('ts'))
  })

  it('compiles', () => expect(complaints).toBe(''))

  it.each(
    inLanguage('ts')
      .filter(({ marks }) => !marks.includes('no-run'))
      .map((block) => [titleOf(block), block] as const),
  )('runs and prints what it says: %s', async (_, block) => {
    await using database = await createDatabase()
    // A cache of another prefix or schema is installed by the example itself.
    const installs = /schemaPrefix|migrate\(/.test(block.code)
    const { stdout, stderr } = await run(process.execPath, [join(folder, 'out', `${nameOf(block)}.js`)], {
      env: { ...process.env, NODE_OPTIONS: '', DATABASE_URL: installs ? database.ownerUrl : database.url },
    })
    const shown = [...block.code.matchAll(SHOWN)].map(([, text]) => `${text}\n`).join('')
    expect({ stdout, stderr }).toEqual({ stdout: shown, stderr: '' })
  })
})

describe('the SQL of the documentation', () => {
  it.each(inLanguage('sql').map((block) => [titleOf(block), block] as const))(
    'runs: %s',
    async (_, block) => {
      await using database = await createDatabase()
      await database.install()
      const results = await database.admin.query(`begin;\n${block.code}\n;rollback`)
      expect(results).toContainEqual(expect.objectContaining({ command: 'ROLLBACK' }))
    },
  )
})

describe('the commands of the documentation', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  const commands = inLanguage('sh').flatMap((block) =>
    block.code
      .split(/\n|&&/)
      .map((line) => line.replace(/#.*/, '').trim())
      .filter((line) => line !== '')
      .map((line) => ({ at: titleOf(block), line: line.replace(/^(?:[A-Z_]+=\S+\s+)+/, '') })),
  )

  it('are those of npm, of package.json and of the package itself', async () => {
    const { stdout: help } = await run(process.execPath, [join(ROOT, 'dist/cli/main.js'), '--help'])
    const isKnown = (line: string): boolean => {
      const [program, verb = '', name = ''] = line.split(/\s+/)
      if (program === 'npx') return verb === 'postgres-cache' && help.includes(`postgres-cache ${name}`)
      if (program !== 'npm') return false
      return verb === 'run' ? Object.hasOwn(scripts, name) : ['ci', 'install', 'test'].includes(verb)
    }
    expect(commands.filter(({ line }) => !isKnown(line))).toEqual([])
  })

  it('begin with the two that show it and test it', () => {
    const lines = blocksOf(readPage('README.md')).flatMap(({ code }) => code.split('\n'))
    expect(lines).toEqual(expect.arrayContaining(['npm ci && npm run demo', 'npm ci && npm test']))
  })
})
