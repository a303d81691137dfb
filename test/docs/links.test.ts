import { existsSync } from 'node:fs'
import { posix } from 'node:path'
import { describe, expect, it } from 'vitest'
import { anchorsOf, linksOf, type Page, readPages } from './markdown.ts'

const ROOT = new URL('../../', import.meta.url)

/** Links to files and anchors of this repository that are not there. */
function brokenLinks(pages: readonly Page[], hasFile: (path: string) => boolean): string[] {
  const anchors = new Map(pages.map((page) => [page.path, anchorsOf(page)]))
  const isBroken = (from: string, target: string): boolean => {
    const [file = '', anchor] = target.split('#')
    const path = file === '' ? from : posix.join(posix.dirname(from), decodeURI(file))
    if (!hasFile(path)) return true
    return anchor !== undefined && anchors.get(path)?.has(anchor) !== true
  }
  return pages
    .flatMap(linksOf)
    .filter(({ target }) => !/^[a-z]+:/.test(target))
    .filter(({ page, target }) => isBroken(page, target))
    .map(({ page, target }) => `${page} → ${target}`)
}

describe('the documentation', () => {
  const pages = readPages()

  it('links only to files and headings that exist', () => {
    expect(brokenLinks(pages, (path) => existsSync(new URL(path, ROOT)))).toEqual([])
  })

  it('has no page that the README does not link to', () => {
    const linked = pages.filter(({ path }) => path === 'README.md').flatMap(linksOf)
    const targets = new Set(linked.map(({ target }) => target.split('#')[0]))
    const docs = pages.map(({ path }) => path).filter((path) => path.startsWith('docs/'))
    expect(docs.filter((path) => !targets.has(path))).toEqual([])
  })
})

describe('the link check notices', () => {
  const check = (...pages: Page[]): string[] =>
    brokenLinks(pages, (path) => pages.some((page) => page.path === path))

  it('a missing file, a missing anchor here and elsewhere, and an anchor in what is no page', () => {
    const text =
      '# One\n[a](gone.md) [b](#two) [c](docs/other.md#one) [d](LICENSE#x)\n[e](#one) [f](https://x.y/z.md)\n'
    expect(
      check(
        { path: 'README.md', text },
        { path: 'docs/other.md', text: '# Other\n' },
        { path: 'LICENSE', text: '' },
      ),
    ).toEqual([
      'README.md → gone.md',
      'README.md → #two',
      'README.md → docs/other.md#one',
      'README.md → LICENSE#x',
    ])
  })

  it('that headings and links in code are neither', () => {
    const text = '```sh\n# not a heading\n[a](gone.md)\n```\n`[b](gone.md)` [c](#not-a-heading)\n'
    expect(check({ path: 'README.md', text })).toEqual(['README.md → #not-a-heading'])
  })

  it('the anchors that GitHub makes: case, punctuation, code, repetitions', () => {
    const text = '# `getOrSet`: the call\n## A, b & c\n## Twice\n## Twice\n'
    expect([...anchorsOf({ path: 'README.md', text })]).toEqual([
      'getorset-the-call',
      'a-b--c',
      'twice',
      'twice-1',
    ])
  })
})
