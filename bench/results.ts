// The record of what was measured: one file a day and kind of machine, which holds the latest run of each scenario.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describeMachine, type Machine } from './machine.ts'
import { ratiosToMarkdown } from './ratios.ts'
import type { ScenarioResult } from './runner.ts'
import { SCENARIOS } from './scenarios.ts'
import { toMarkdown } from './table.ts'

export interface ResultFile {
  readonly date: string
  /** Of machine. */
  readonly kind: string
  readonly scenarios: readonly ScenarioRecord[]
}

export interface ScenarioRecord extends ScenarioResult {
  readonly command: string
  readonly startedAt: string
  readonly seconds: number
  /** One kind has many: what is in one file need not have run on one. */
  readonly machine: Machine
  /** Client and server of each contender. */
  readonly versions: Readonly<Record<string, string>>
  readonly leftOut: Readonly<Record<string, string>>
  /** How the servers were set. */
  readonly servers: Readonly<Record<string, string>>
}

const FOLDER = fileURLToPath(new URL('results/', import.meta.url))

/** Adds the records to the file of today, in place of earlier ones of the same scenarios; the file's name. */
export function saveResults(records: readonly ScenarioRecord[]): string {
  const { kind } = describeMachine()
  const date = new Date().toISOString().slice(0, 10)
  const path = join(FOLDER, `${date}-${kind}`)
  const kept = readResults(`${path}.json`).filter(
    ({ scenario }) => !records.some((record) => record.scenario === scenario),
  )
  const file: ResultFile = { date, kind, scenarios: inOrder([...kept, ...records]) }
  mkdirSync(FOLDER, { recursive: true })
  writeFileSync(`${path}.json`, `${JSON.stringify(file, shorten, 1)}\n`)
  writeFileSync(`${path}.md`, fileToMarkdown(file))
  return `${path}.json`
}

/** The latest run of each scenario on the kind of machine that was measured last; its date is that of the latest of them. */
export function latestResults(): ResultFile {
  const files = readdirSync(FOLDER)
    .filter((name) => name.endsWith('.json'))
    .toSorted()
    .map((name) => JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as ResultFile)
  const last = files.at(-1)
  if (last === undefined) throw new Error('there are no results yet: npm run bench')
  const latest = new Map<string, ScenarioRecord>()
  for (const { kind, scenarios } of files) {
    if (kind !== last.kind) continue
    for (const record of scenarios) latest.set(record.scenario, record)
  }
  return { ...last, scenarios: inOrder([...latest.values()]) }
}

export function recordToMarkdown(record: ScenarioRecord, pictures: readonly string[] = []): string {
  const { scenario, question, command, startedAt, seconds, machine, versions, leftOut, servers } = record
  const { processors, memoryGb, system, node } = machine
  const list = (items: Readonly<Record<string, string>>): string[] =>
    Object.entries(items).map(([name, text]) => `- ${name}: ${text}`)
  const ratios = ratiosToMarkdown(record)
  return [
    `## ${scenario}`,
    '',
    question,
    '',
    ...pictures.flatMap((picture) => [picture, '']),
    toMarkdown(record),
    '',
    ...(ratios === undefined ? [] : ['Ratios, each the median of those of the rounds:', '', ratios, '']),
    `\`${command}\`, ${startedAt}, ${Math.round(seconds)} s, on ${processors}, ${memoryGb} GB, ${system}, Node ${node}`,
    '',
    ...list(versions),
    ...list(servers),
    ...list(leftOut).map((line) => `${line} (left out)`),
    '',
  ].join('\n')
}

function fileToMarkdown(file: ResultFile): string {
  const title = `# Results of ${file.date} on ${file.kind}`
  return [
    title,
    '',
    ...fileHeader(file),
    '',
    ...file.scenarios.map((record) => recordToMarkdown(record)),
  ].join('\n')
}

export function fileHeader({ date, kind }: ResultFile): string[] {
  return [
    `${date}, ${kind}; below each table, when and on what it was measured. Servers and clients shared the machine.`,
    'Medians of the rounds, with the lowest and the highest in parentheses.',
  ]
}

function readResults(path: string): readonly ScenarioRecord[] {
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as ResultFile).scenarios
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}

function inOrder(records: readonly ScenarioRecord[]): ScenarioRecord[] {
  const position = ({ scenario }: ScenarioRecord): number =>
    SCENARIOS.findIndex(({ name }) => name === scenario)
  return records.toSorted((a, b) => position(a) - position(b))
}

/** More digits than the measurement has would only make the file long. */
function shorten(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(6)) : value
}
