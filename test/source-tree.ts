// The files of src and what they import, type imports and re-exports included.

import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'

/** Text by path, such as `src/core/key.ts`. */
export type SourceTree = ReadonlyMap<string, string>

export interface Import {
  readonly from: string
  /** A path like `from` for a file of ours, else the module's name. */
  readonly to: string
}

const ROOT = new URL('../', import.meta.url)

export function readSourceTree(): SourceTree {
  const names = readdirSync(new URL('src', ROOT), { recursive: true, encoding: 'utf8' })
  const paths = names
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `src/${name.replaceAll('\\', '/')}`)
  return new Map(paths.toSorted().map((path) => [path, readFileSync(new URL(path, ROOT), 'utf8')]))
}

// The formatter puts every import and export at the beginning of a line.
const STATIC = /^(?:import|export)\b(?:[^'"`;=(]*?\bfrom)?\s*['"]([^'"\n]+)['"]/gm
const DYNAMIC = /^(?!\s*(?:\*|\/\/)).*?\b(?:import|require)\(\s*['"]([^'"\n]+)['"]/gm

export function importsOf(tree: SourceTree): Import[] {
  return [...tree].flatMap(([from, text]) =>
    [STATIC, DYNAMIC]
      .flatMap((pattern) => [...text.matchAll(pattern)])
      .map(([, specifier = '']) => ({ from, to: resolve(from, specifier) })),
  )
}

function resolve(from: string, specifier: string): string {
  return specifier.startsWith('.') ? posix.join(posix.dirname(from), specifier) : specifier
}
