// The package as npm would publish it, from the built output. `npm test` builds it first.

import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { beforeAll, describe, expect, it } from 'vitest'
import { atEndOfFile } from '../end-of-file.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
const inRoot = { cwd: root, shell: process.platform === 'win32' }

interface Packed {
  readonly filename: string
  readonly files: readonly { readonly path: string; readonly mode: number }[]
}

describe('the package', () => {
  let packed: Packed
  let tarball: string
  let manifest: { readonly exports: object; readonly bin: Record<string, string> }

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'postgres-cache-package-'))
    atEndOfFile(() => rm(folder, { recursive: true }))
    // Without scripts: packing would build again, under the feet of other tests.
    const { stdout } = await run(
      'npm',
      ['pack', '--json', '--ignore-scripts', '--pack-destination', folder],
      inRoot,
    )
    packed = (JSON.parse(stdout) as [Packed])[0]
    tarball = join(folder, packed.filename)
    manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  })

  it('contains the compiled code with its types and maps, and what a reader needs', () => {
    const isExpected = (path: string): boolean =>
      /^dist\/(?:[a-z0-9.-]+\/)*[a-z0-9.-]+\.(?:js|d\.ts|js\.map|d\.ts\.map)$/.test(path) ||
      ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md'].includes(path)
    const paths = packed.files.map(({ path }) => path)
    expect(paths.filter((path) => !isExpected(path))).toEqual([])
    expect(paths).toEqual(expect.arrayContaining(['README.md', 'LICENSE', 'CHANGELOG.md', 'dist/index.js']))
  })

  it('is in order, says publint', async () => {
    const { buffer } = Uint8Array.from(await readFile(tarball))
    const { messages, pkg } = await publint({ pack: { tarball: buffer }, strict: true })
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([])
  })

  it('has types for every way of importing an ES module, also from CommonJS, says attw', async () => {
    const attw = join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js')
    // It ends with an error when it finds a problem.
    const { stdout } = await run(
      process.execPath,
      [
        attw,
        tarball,
        '--ignore-rules',
        'cjs-resolves-to-esm',
        '--format',
        'ascii',
        '--no-emoji',
        '--no-color',
      ],
      inRoot,
    )
    expect(stdout.match(/^node10: OK/gm)).toHaveLength(Object.keys(manifest.exports).length)
  })

  it.each([
    ['index.js', ['pg']],
    ['prometheus.js', []],
    ['otel.js', ['@opentelemetry/api']],
  ])('loads nothing from outside but what it needs: %s', async (file, needed) => {
    const { stdout } = await run(process.execPath, [join(root, 'test/package/imports.js'), file], inRoot)
    const modules = new Set(stdout.trim().split('\n'))
    expect([...modules].filter((name) => name !== '' && !name.startsWith('node:'))).toEqual(needed)
  })

  it('can be required from CommonJS, without a warning', async () => {
    const script = `const { PostgresCache, NullCache } = require('postgres-cache'); console.log(typeof PostgresCache, typeof NullCache)`
    const { stdout, stderr } = await run(process.execPath, ['--eval', script], { cwd: root })
    expect({ stdout, stderr }).toEqual({ stdout: 'function function\n', stderr: '' })
  })

  it('has a command that runs', async () => {
    const command = manifest.bin['postgres-cache'] ?? ''
    expect(await readFile(join(root, command), 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
    expect(packed.files.find(({ path }) => path === command)).toMatchObject({ mode: 0o755 })
    const { stdout } = await run(process.execPath, [command, '--help'], inRoot)
    expect(stdout).toContain('postgres-cache migrate')
  })
})
