// Holds the picture of docs/architecture.md: imports go strictly down, or to a sibling in the same folder.

import { posix } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Import, importsOf, readSourceTree, type SourceTree } from './source-tree.ts'

// From the bottom up. Folders that share a layer never import each other.
const LAYERS: readonly (readonly string[])[] = [
  ['src/core/'],
  ['src/codecs/'],
  [
    'src/options.ts',
    'src/cache-options.ts',
    'src/call-options.ts',
    'src/load-options.ts',
    'src/channels.ts',
    'src/measures.ts',
    'src/events.ts',
  ],
  ['src/memory/', 'src/postgres/'],
  ['src/'],
  ['src/index.ts', 'src/otel.ts', 'src/prometheus.ts', 'src/cli/', 'src/adapters/', 'src/testing/'],
]
const MAX_LINES = 300
const MEANINGLESS_NAME = /^(utils?|helpers?|common|lib|types?|interfaces?|misc|managers?)$/
const PURE_NODE_MODULES = new Set(['node:crypto', 'node:util', 'node:util/types'])
const TIMER = /\b(setTimeout|setInterval|setImmediate)\(/

function layerOf(path: string): number {
  const folder = path.slice(0, path.indexOf('/', 'src/'.length) + 1)
  const layer = LAYERS.findIndex((places) => places.includes(path) || places.includes(folder))
  if (layer !== -1) return layer
  if (folder !== '') throw new Error(`${path} lies in a folder that has no layer`)
  return LAYERS.findIndex((places) => places.includes('src/'))
}

const isOurs = ({ to }: Import): boolean => to.startsWith('src/')
const arrow = ({ from, to }: Import): string => `${from} → ${to}`

function upwardImports(tree: SourceTree): string[] {
  const isAllowed = ({ from, to }: Import): boolean => {
    const isSibling = posix.dirname(from) === posix.dirname(to)
    return layerOf(to) < layerOf(from) || (isSibling && layerOf(to) === layerOf(from))
  }
  return importsOf(tree)
    .filter((each) => isOurs(each) && !isAllowed(each))
    .map(arrow)
}

function danglingImports(tree: SourceTree): string[] {
  return importsOf(tree)
    .filter((each) => isOurs(each) && !tree.has(each.to))
    .map(arrow)
}

function cycles(tree: SourceTree): string[] {
  const imports = importsOf(tree).filter(isOurs)
  const found: string[] = []
  const finished = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) found.push([...trail.slice(trail.indexOf(path)), path].join(' → '))
    if (trail.includes(path) || finished.has(path)) return
    for (const { from, to } of imports) if (from === path) visit(to, [...trail, path])
    finished.add(path)
  }
  for (const path of tree.keys()) visit(path, [])
  return found
}

function impureCore(tree: SourceTree): string[] {
  const core = new Map([...tree].filter(([path]) => path.startsWith('src/core/')))
  const impure = importsOf(core).filter((each) => !isOurs(each) && !PURE_NODE_MODULES.has(each.to))
  const timed = [...core].filter(([, text]) => TIMER.test(text)).map(([path]) => `${path} uses a timer`)
  return [...impure.map(arrow), ...timed]
}

function driverImports(tree: SourceTree): string[] {
  return importsOf(tree)
    .filter(({ from, to }) => to === 'pg' && !from.startsWith('src/postgres/'))
    .map(arrow)
}

// Whoever does not export to OpenTelemetry need not have it.
function peerImports(tree: SourceTree): string[] {
  return importsOf(tree)
    .filter(({ from, to }) => to.startsWith('@') && from !== 'src/otel.ts')
    .map(arrow)
}

function longFiles(tree: SourceTree): string[] {
  return [...tree]
    .map(([path, text]) => ({ path, lines: text.trimEnd().split('\n').length }))
    .filter(({ path, lines }) => lines > MAX_LINES && !path.endsWith('.generated.ts'))
    .map(({ path, lines }) => `${path}: ${lines} lines`)
}

function meaninglessNames(tree: SourceTree): string[] {
  return [...tree.keys()].filter((path) =>
    path.split('/').some((part) => MEANINGLESS_NAME.test(part.replace('.ts', ''))),
  )
}

describe('the source', () => {
  const tree = readSourceTree()

  it('imports only from layers below, or from siblings', () => expect(upwardImports(tree)).toEqual([]))
  it('imports only files that exist', () => expect(danglingImports(tree)).toEqual([]))
  it('has no cycles, type imports included', () => expect(cycles(tree)).toEqual([]))
  it('keeps core pure: no I/O and no timers', () => expect(impureCore(tree)).toEqual([]))
  it('talks to pg in src/postgres alone', () => expect(driverImports(tree)).toEqual([]))
  it('needs optional peers in the files that are for them alone', () => expect(peerImports(tree)).toEqual([]))
  it('has no file that is too long to read', () => expect(longFiles(tree)).toEqual([]))
  it('has no file whose name tells nothing', () => expect(meaninglessNames(tree)).toEqual([]))
})

describe('the rules notice', () => {
  const tree = (files: Record<string, string>): SourceTree => new Map(Object.entries(files))

  it('an import that goes up, also of a type, a re-export, one over several lines and a dynamic one', () => {
    const up = tree({
      'src/core/a.ts': `import type { Cache } from '../cache.ts'`,
      'src/core/b.ts': `export * from '../options.ts'`,
      'src/events.ts': `import {\n  one,\n  type Two,\n} from './postgres/feed.ts'`,
      'src/codecs/c.ts': `export const load = () => import('../memory/d.ts')`,
      'src/cache.ts': `import './index.ts'`,
    })
    expect(upwardImports(up)).toEqual([
      'src/core/a.ts → src/cache.ts',
      'src/core/b.ts → src/options.ts',
      'src/events.ts → src/postgres/feed.ts',
      'src/codecs/c.ts → src/memory/d.ts',
      'src/cache.ts → src/index.ts',
    ])
  })

  it('an import between memory and postgres, either way', () => {
    const across = tree({
      'src/memory/a.ts': `import { b } from '../postgres/b.ts'`,
      'src/postgres/b.ts': `import { a } from '../memory/a.ts'`,
    })
    expect(upwardImports(across)).toHaveLength(2)
  })

  it('a folder that belongs to no layer', () => {
    expect(() => upwardImports(tree({ 'src/extra/a.ts': `import '../core/b.ts'` }))).toThrow('has no layer')
  })

  it('a cycle among siblings', () => {
    const circle = tree({
      'src/core/a.ts': `import { b } from './b.ts'`,
      'src/core/b.ts': `export type { C } from './c.ts'`,
      'src/core/c.ts': `import type { A } from './a.ts'`,
    })
    expect(cycles(circle)).toEqual(['src/core/a.ts → src/core/b.ts → src/core/c.ts → src/core/a.ts'])
  })

  it('I/O or a timer in core, and pg outside of src/postgres', () => {
    const impure = tree({
      'src/core/a.ts': `import { readFileSync } from 'node:fs'`,
      'src/core/b.ts': `export const later = (run: () => void) => setTimeout(run, 1)`,
      'src/memory/c.ts': `import pg from 'pg'`,
    })
    expect(impureCore(impure)).toEqual(['src/core/a.ts → node:fs', 'src/core/b.ts uses a timer'])
    expect(driverImports(impure)).toEqual(['src/memory/c.ts → pg'])
  })

  it('an optional peer where it is no option', () => {
    const peer = `import { metrics } from '@opentelemetry/api'`
    expect(peerImports(tree({ 'src/otel.ts': peer, 'src/metrics.ts': peer }))).toEqual([
      'src/metrics.ts → @opentelemetry/api',
    ])
  })

  it('an import of a file that does not exist', () => {
    expect(danglingImports(tree({ 'src/core/a.ts': `import './gone.ts'` }))).toEqual([
      'src/core/a.ts → src/core/gone.ts',
    ])
  })

  it('a file of more than 300 lines and a name that tells nothing', () => {
    const untidy = tree({
      'src/core/long.ts': 'line\n'.repeat(MAX_LINES + 1),
      'src/core/utils.ts': '',
      'src/memory/types/a.ts': '',
    })
    expect(longFiles(untidy)).toEqual(['src/core/long.ts: 301 lines'])
    expect(meaninglessNames(untidy)).toEqual(['src/core/utils.ts', 'src/memory/types/a.ts'])
  })
})
