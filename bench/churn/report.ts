// The churn as a table a person reads, and as the files that are kept.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describeMachine } from '../machine.ts'
import { alignedTable } from '../table.ts'
import type { Sample } from './sampler.ts'
import type { ServerShare } from './server-share.ts'
import type { ChurnSettings } from './settings.ts'
import type { TrafficCounts } from './traffic.ts'
import type { Verdict } from './verdicts.ts'

export interface ChurnRecord {
  readonly startedAt: string
  readonly settings: ChurnSettings
  readonly versions: { readonly client: string; readonly server: string }
  readonly serverSettings: string
  readonly counts: TrafficCounts
  /** What the sweep reported. */
  readonly swept: { readonly removed: number; readonly evicted: number; readonly reports: number }
  readonly share: ServerShare | undefined
  readonly verdicts: readonly Verdict[]
  readonly samples: readonly Sample[]
}

const FOLDER = fileURLToPath(new URL('../results/churn/', import.meta.url))
const MAX_LINES = 31
const MIB = 1024 * 1024

const COLUMNS: readonly (readonly [title: string, text: (sample: Sample) => string])[] = [
  ['min', ({ seconds }) => (seconds / 60).toFixed(1)],
  ['live', ({ live }) => count(live)],
  ['expired', ({ expired }) => count(expired)],
  ['stubs', ({ stubs }) => count(stubs)],
  ['due', ({ due }) => count(due)],
  ['dead', ({ dead }) => count(dead)],
  ['rows MiB', ({ rowBytes }) => mib(rowBytes)],
  ['heap MiB', ({ heapBytes }) => mib(heapBytes)],
  ['index MiB', ({ indexBytes }) => mib(indexBytes)],
  ['TOAST MiB', ({ toastBytes }) => mib(toastBytes)],
  ['feed rows', ({ feedRows }) => count(feedRows)],
  ['feed MiB', ({ feedBytes }) => mib(feedBytes)],
  ['log rows', ({ logRows }) => count(logRows)],
  ['HOT', ({ hotShare }) => `${Math.round(hotShare * 100)}%`],
  ['vacuums', ({ vacuums }) => count(vacuums)],
  ['rounds', ({ rounds }) => count(rounds)],
  ['last turn', ({ sweptSeconds }) => `${sweptSeconds.toFixed(0)} s`],
]

export function renderSamples(samples: readonly Sample[]): string {
  const every = Math.max(1, Math.ceil(samples.length / MAX_LINES))
  const shown = samples.filter((_, i) => (samples.length - 1 - i) % every === 0)
  return alignedTable(
    COLUMNS.map(([title]) => title),
    shown.map((sample) => COLUMNS.map(([, text]) => text(sample))),
  )
}

export function renderVerdicts(verdicts: readonly Verdict[]): string[] {
  return verdicts.map(({ holds, text }) => `${holds ? 'ok    ' : 'FAILED'} ${text}`)
}

/** The name of the JSON file; the Markdown lies beside it. */
export function saveRecord(record: ChurnRecord): string {
  const machine = describeMachine()
  const path = join(FOLDER, `${record.startedAt.slice(0, 10)}-${machine.kind}`)
  mkdirSync(FOLDER, { recursive: true })
  writeFileSync(`${path}.json`, `${JSON.stringify({ machine, ...record }, shorten, 1)}\n`)
  writeFileSync(`${path}.md`, toMarkdown(record))
  return `${path}.json`
}

function toMarkdown(record: ChurnRecord): string {
  const { processors, memoryGb, system, node } = describeMachine()
  const { settings, versions, counts, swept, startedAt } = record
  return [
    '# Churn',
    '',
    `${settings.minutes} minutes, ${count(settings.rate)} sets a second of ${count(settings.keys)} keys, ttl 1 to 60 s, values of 100 to 2,000`,
    `bytes and one in fifty of 4,000; a tenth overwrites what was set lately, a third as many gets. Caps: ${caps(settings)}.`,
    '',
    `${processors}, ${memoryGb} GB, ${system}, Node ${node}. Server and client shared the machine.`,
    `${versions.client}, ${versions.server}, ${record.serverSettings}.`,
    '',
    `\`${settings.command}\`, ${startedAt}`,
    '',
    ...renderVerdicts(record.verdicts).map((line) => `- ${line}`),
    '',
    `${count(counts.sets)} sets, ${count(counts.failedSets)} failed; ${count(counts.reads)} gets, ${count(counts.hits)} hits.`,
    `The sweep removed ${count(swept.removed)} rows and evicted ${count(swept.evicted)} entries.`,
    '',
    renderSamples(record.samples),
    '',
  ].join('\n')
}

function caps({ maxEntries, maxBytes }: ChurnSettings): string {
  const entries = maxEntries === null ? [] : [`${count(maxEntries)} entries`]
  return [...entries, ...(maxBytes === null ? [] : [`${mib(maxBytes)} MiB`])].join(', ') || 'none'
}

const count = (value: number): string => Math.round(value).toLocaleString('en-US')
const mib = (bytes: number): string => (bytes / MIB).toFixed(1)

function shorten(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(7)) : value
}
