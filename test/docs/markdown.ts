// The pages of the documentation, and what the tests want of them: fenced blocks, headings, links, tables.

import { readdirSync, readFileSync } from 'node:fs'

export interface Page {
  /** Such as `docs/glossary.md`. */
  readonly path: string
  readonly text: string
}

/** A fenced block: the first word behind the fence is its language, the rest marks it. */
export interface Block {
  readonly page: string
  /** Of the opening fence. */
  readonly line: number
  readonly language: string
  readonly marks: readonly string[]
  readonly code: string
}

export interface Link {
  readonly page: string
  readonly target: string
}

const ROOT = new URL('../../', import.meta.url)
const FENCE = /^```(\S*)[ \t]*(.*)\n([\s\S]*?)^```$/gm
const CODE_SPAN = /`[^`\n]+`/g
const LINK = /\[[^\]]*\]\(([^()\s]+)\)/g
const HEADING = /^#{1,6} (.+)$/gm

export function readPages(): Page[] {
  return ['', 'docs/'].flatMap((folder) =>
    readdirSync(new URL(folder || '.', ROOT))
      .filter((name) => name.endsWith('.md'))
      .toSorted()
      .map((name) => ({
        path: folder + name,
        text: readFileSync(new URL(folder + name, ROOT), 'utf8').replaceAll('\r\n', '\n'),
      })),
  )
}

export function readPage(path: string): Page {
  const page = readPages().find((each) => each.path === path)
  if (page === undefined) throw new Error(`there is no page ${path}`)
  return page
}

export function blocksOf({ path, text }: Page): Block[] {
  return [...text.matchAll(FENCE)].map(({ index, 1: language = '', 2: marks = '', 3: code = '' }) => ({
    page: path,
    line: text.slice(0, index).split('\n').length,
    language,
    marks: marks.split(' ').filter((mark) => mark !== ''),
    code,
  }))
}

export function linksOf({ path, text }: Page): Link[] {
  const prose = text.replaceAll(FENCE, '').replaceAll(CODE_SPAN, '')
  return [...prose.matchAll(LINK)].map(([, target = '']) => ({ page: path, target }))
}

/** The anchors that GitHub makes of the headings. */
export function anchorsOf({ text }: Page): Set<string> {
  const anchors = new Set<string>()
  for (const [, heading = ''] of text.replaceAll(FENCE, '').matchAll(HEADING)) {
    const slug = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-')
    let anchor = slug
    for (let i = 1; anchors.has(anchor); i++) anchor = `${slug}-${i}`
    anchors.add(anchor)
  }
  return anchors
}

/** The rows below a heading, up to the next one, cell by cell; head and ruler are left out. */
export function tableUnder({ path, text }: Page, heading: string): string[][] {
  const start = text.indexOf(`\n${heading}\n`)
  if (start === -1) throw new Error(`${path} has no heading «${heading}»`)
  const section = text.slice(start + heading.length + 2).split(/^#/m)[0] ?? ''
  return section
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
    .slice(2)
}

/** The code spans of a cell. */
export function spansOf(cell: string | undefined): string[] {
  return [...(cell ?? '').matchAll(CODE_SPAN)].map(([span]) => span.slice(1, -1))
}
