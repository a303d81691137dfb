// npm run bench:plot [file]: draws docs/benchmarks.md and its pictures from a file of results; by default from the latest run of each scenario.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { goalsToMarkdown } from './goals.ts'
import { fileHeader, latestResults, recordToMarkdown, type ResultFile } from './results.ts'
import { PLOTS } from './plots/plots.ts'

const DOCS = fileURLToPath(new URL('../docs/', import.meta.url))
const PICTURES = 'benchmarks'

const path = process.argv[2]
const file = path === undefined ? latestResults() : (JSON.parse(readFileSync(path, 'utf8')) as ResultFile)
rmSync(join(DOCS, PICTURES), { recursive: true, force: true })
mkdirSync(join(DOCS, PICTURES), { recursive: true })

const sections = file.scenarios.map((record) => {
  const pictures = PLOTS.filter(({ scenario }) => scenario === record.scenario).map(
    ({ name, title, draw }) => {
      writeFileSync(join(DOCS, PICTURES, `${name}.svg`), draw(record, title))
      return `![${title}](${PICTURES}/${name}.svg)`
    },
  )
  return recordToMarkdown(record, pictures)
})
writeFileSync(
  join(DOCS, 'benchmarks.md'),
  [
    '# Benchmarks',
    '',
    '<!-- Drawn by `npm run bench:plot` from the files in bench/results: change neither by hand. -->',
    '',
    ...fileHeader(file),
    '',
    'How it is measured, and what it cannot tell, is in [bench/README.md](../bench/README.md).',
    '',
    '## Goals',
    '',
    'What the project wants to reach on two cores that servers and clients share, and what the latest run of each scenario says of it. Ratios are ours to that',
    'of the fastest client of Valkey without a local cache, which is named, or to what the line says.',
    '[What is missed, and why](architecture.md#where-the-time-goes) has profiles.',
    '',
    goalsToMarkdown(file),
    '',
    ...sections,
  ].join('\n'),
)
console.log(`docs/benchmarks.md from ${path ?? 'the latest run of each scenario'}`)
