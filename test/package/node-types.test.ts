// The types compile beside those of each Node that the package supports, in a project of a user's own. `npm test` builds them first.

import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { atEndOfFile } from '../end-of-file.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
const modules = join(root, 'node_modules')

const SETTINGS = {
  compilerOptions: {
    target: 'es2022',
    lib: ['es2023', 'esnext.disposable'],
    module: 'nodenext',
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    // Or only the program would be checked, and not what it imports.
    skipLibCheck: false,
  },
  files: ['program.ts'],
}
const PROGRAM = `
import { Pool } from 'pg'
import { compressed, encrypted, NullCache, PostgresCache, type Cache } from 'postgres-cache'
import { renderMetrics } from 'postgres-cache/prometheus'
import * as otel from 'postgres-cache/otel'

export const pool = new Pool()
await using cache = new PostgresCache({ pool, codec: compressed() })
const either: Cache = Math.random() > 0.5 ? cache : new NullCache()
const user: { readonly name: string } = await either.getOrSet('user:1', async ({ signal }) => ({ name: String(signal.aborted) }))
const client = await pool.connect()
await (await cache.withTransaction(client)).set('user:1', user)
export const bytes: Buffer | undefined = await either.get<Buffer>('bytes')
export { encrypted, otel, renderMetrics }
`

describe.each(['@types/node', 'types-node-24', 'types-node-26'])('with %s', (types) => {
  let project: string
  let version: string
  beforeAll(() => {
    project = mkdtempSync(join(tmpdir(), 'postgres-cache-types-'))
    atEndOfFile(async () => rmSync(project, { recursive: true }))
    // Copied, because types are looked for where a file really lies: a link would lead back to ours.
    const install = (name: string, from = join(modules, name)): void =>
      cpSync(from, join(project, 'node_modules', name), { recursive: true, dereference: true })
    install('@types/node', join(modules, types))
    for (const name of ['@types/pg', 'pg-types', 'pg-protocol', '@opentelemetry/api', 'undici-types'])
      install(name)
    mkdirSync(join(project, 'node_modules/postgres-cache'))
    for (const part of ['dist', 'package.json']) install(`postgres-cache/${part}`, join(root, part))
    writeFileSync(join(project, 'package.json'), '{ "type": "module" }')
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(SETTINGS))
    version = JSON.parse(readFileSync(join(modules, types, 'package.json'), 'utf8')).version
  })

  async function compile(program: string): Promise<string> {
    writeFileSync(join(project, 'program.ts'), program)
    const tsc = join(modules, 'typescript/bin/tsc')
    return run(process.execPath, [tsc, '--project', project, '--listFiles'], { maxBuffer: 1 << 24 }).then(
      ({ stdout }) => stdout,
      ({ stdout }: { stdout: string }) =>
        stdout
          .split('\n')
          .filter((line) => line.includes('error TS'))
          .join('\n'),
    )
  }

  it('a program that uses every entry point compiles, and everything that it imports', async () => {
    console.log(`@types/node ${version}`)
    const files = await compile(PROGRAM)
    expect(files).not.toContain('error TS')
    expect(files).toContain('node_modules/postgres-cache/dist/index.d.ts')
    expect(files).not.toContain(join(modules, '@types/node'))
  })

  it('a wrong call does not', async () => {
    expect(await compile(`${PROGRAM}\nawait cache.set('key', 1, { ttl: true })`)).toMatch(
      /program\.ts.*error TS/,
    )
  })
})
