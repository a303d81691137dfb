// Tables of the documentation that list what the source declares: nothing may be missing, left over or out of date.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { readPage, spansOf, tableUnder } from './markdown.ts'

const source = (path: string): string =>
  readFileSync(new URL(`../../src/${path}`, import.meta.url), 'utf8').replaceAll('\r\n', '\n')

/** The lines of an interface or a type, up to the next blank line outside of its braces. */
function declaration(path: string, head: string): string {
  const text = source(path)
  const start = text.indexOf(head)
  if (start === -1) throw new Error(`src/${path} declares no «${head}»`)
  return text.slice(start, text.indexOf('\n}\n', start))
}

/** Each option with its documented default. */
function optionsOf(path: string, name: string): [string, string][] {
  const members = declaration(path, `export interface ${name} {`).matchAll(
    /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*readonly (\w+)\?:/g,
  )
  return [...members].map(([, comment = '', option = '']) => [
    option,
    (/@default (.+?)(?: \*\/|\n|$)/.exec(comment)?.[1] ?? '').trim(),
  ])
}

const plain = (cell = ''): string => cell.replaceAll('`', '').replaceAll('\\|', '|')

describe('README.md', () => {
  const page = readPage('README.md')

  it('lists every option with its default', () => {
    const listed = tableUnder(page, '## Options').map(([name, value]) => [spansOf(name)[0], plain(value)])
    expect(listed).toEqual([
      ...optionsOf('cache-options.ts', 'CacheOptions extends LoadOptions'),
      ...optionsOf('load-options.ts', 'LoadOptions'),
    ])
  })

  it('lists every call', () => {
    const listed = tableUnder(page, '## Calls').flatMap(([calls]) =>
      spansOf(calls).map((call) => /^\w+/.exec(call)?.[0]),
    )
    const declared = declaration('contract.ts', 'export interface Cache {').matchAll(/^ {2}(\w+)(?=[(<])/gm)
    expect(new Set(listed)).toEqual(new Set([...[...declared].map(([, name]) => name), 'migrate']))
  })
})

describe('docs/operations.md', () => {
  const page = readPage('docs/operations.md')

  it('lists every error code', () => {
    const listed = tableUnder(page, '## Error codes').map(([code]) => spansOf(code)[0])
    const declared = source('core/errors.ts').matchAll(/^ {2}\| '([a-z-]+)'$/gm)
    expect(new Set(listed)).toEqual(new Set([...declared].map(([, code]) => code)))
  })

  it('lists every event', () => {
    const listed = tableUnder(page, '## Events').map(([event]) => spansOf(event)[0])
    const declared = declaration('events.ts', 'export interface CacheEvents {').matchAll(
      /^ {2}'?([a-z-]+)'?: /gm,
    )
    expect(new Set(listed)).toEqual(new Set([...declared].map(([, event]) => event)))
  })
})

describe('docs/options.md', () => {
  it('is what the docstrings say', () => {
    const script = fileURLToPath(new URL('../../scripts/list-options.ts', import.meta.url))
    const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', script, '--check'], {
      encoding: 'utf8',
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })
})
