// Every code block of the documentation is compiled and run, in a folder that looks like a user's project.
//
// ts    compiled against the built package and run on a database of its own. What it prints has to stand behind its
//       console.log. A block without an import gets what the prelude of user-project.ts exports. `ts no-run`: compiled only.
// sql   run where the cache is installed, in a transaction that is rolled back.
// sh    every command has to exist: npm's, the scripts of package.json, those of `postgres-cache`.

import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { createDatabase } from '../database.ts'
import { type Block, blocksOf, readPage, readPages } from './markdown.ts'
import { createUserProject, type UserProject } from './user-project.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

const SHOWN = /console\.log\(.*\)\s*\/\/ (.+)$/gm

const run = promisify(execFile)
const blocks = readPages().flatMap(blocksOf)
const inLanguage = (language: string): Block[] => blocks.filter((block) => block.language === language)
const titleOf = ({ page, line }: Block): string => `${page}:${line}`

describe('the TypeScript of the documentation', () => {
  let project: UserProject

  beforeAll(async () => {
    project = await createUserProject(inLanguage('ts'))
  })

  it('compiles', () => expect(project.complaints).toBe(''))

  it.each(
    inLanguage('ts')
      .filter(({ marks }) => !marks.includes('no-run'))
      .map((block) => [titleOf(block), block] as const),
  )('runs and prints what it says: %s', async (_, block) => {
    await using database = await createDatabase()
    // A cache of another prefix or schema is installed by the example itself.
    const installs = /schemaPrefix|schema: `|migrate\(/.test(block.code)
    const { stdout, stderr } = await run(process.execPath, [project.moduleOf(block)], {
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
