// What a churn must show: sizes that stay flat, caps that hold, a sweep that keeps up.

import type { Sample } from './sampler.ts'
import type { ServerShare } from './server-share.ts'
import type { ChurnSettings } from './settings.ts'

export interface Verdict {
  readonly holds: boolean
  readonly text: string
}

/** From the early part of a run to its end. */
const MAX_GROWTH = 0.1
/** Smaller than a vacuum's step: nothing to judge. */
const NOTEWORTHY_BYTES = 4 * 1024 * 1024
/** As docs/operations.md states it. */
const MAX_EXCESS = 0.05
/** The removal fence moves once a minute, and the sweep comes every half minute. */
const MAX_DUE_SECONDS = 90

const SIZES = {
  heap: 'heapBytes',
  index: 'indexBytes',
  TOAST: 'toastBytes',
  feed: 'feedBytes',
  log: 'logBytes',
} as const satisfies Record<string, keyof Sample>

export function judge(
  samples: readonly Sample[],
  settings: ChurnSettings,
  share: ServerShare | undefined,
): Verdict[] {
  const end = samples.at(-1)?.seconds ?? 0
  // Of half an hour: minutes 5 to 10, and the last five.
  const early = samples.filter(({ seconds }) => seconds > end / 6 && seconds <= end / 3)
  const late = samples.filter(({ seconds }) => seconds > (end * 5) / 6)
  return [
    ...Object.entries(SIZES).map(([name, field]) => judgeGrowth(name, mean(early, field), mean(late, field))),
    judgeCap('entries', samples, 'live', settings.maxEntries),
    judgeCap('bytes of rows', samples, 'rowBytes', settings.maxBytes),
    ...judgeFiles(late, settings.maxBytes),
    judgeDue(late, settings.rate),
    ...(share === undefined ? [] : [describeShare(share, end)]),
  ]
}

function judgeGrowth(name: string, before: number, after: number): Verdict {
  const growth = after / before - 1
  const text = `${name}: ${mib(before)} early, ${mib(after)} at the end (${percent(growth)})`
  return { holds: growth <= MAX_GROWTH || after < NOTEWORTHY_BYTES, text }
}

function judgeCap(
  name: string,
  samples: readonly Sample[],
  field: 'live' | 'rowBytes',
  cap: number | null,
): Verdict {
  if (cap === null) return { holds: true, text: `${name}: no cap` }
  const excesses = samples.map((sample) => sample[field] / cap - 1)
  const most = Math.max(...excesses)
  const over = excesses.filter((excess) => excess > 0).length
  return {
    holds: most <= MAX_EXCESS,
    text: `${name}: at most ${percent(most)} beyond the cap, beyond it in ${over} of ${samples.length} samples`,
  }
}

function judgeFiles(late: readonly Sample[], maxBytes: number | null): Verdict[] {
  if (maxBytes === null) return []
  const files = mean(late, 'heapBytes') + mean(late, 'indexBytes') + mean(late, 'toastBytes')
  return [
    {
      holds: true,
      text: `files of the table: ${mib(files)}, ${(files / maxBytes).toFixed(2)} times store.maxBytes`,
    },
  ]
}

function judgeDue(late: readonly Sample[], rate: number): Verdict {
  const most = Math.max(...late.map(({ due }) => due))
  return {
    holds: most <= rate * MAX_DUE_SECONDS,
    text: `sweep: at most ${Math.round(most)} rows due at the end, what ${(most / rate).toFixed(0)} s of sets bring`,
  }
}

function describeShare({ serverMs, sweepMs, vacuumMs, samplerMs }: ServerShare, seconds: number): Verdict {
  // The sampler is the bench's own.
  const total = serverMs - samplerMs
  const cores = (total / 1_000 / seconds).toFixed(2)
  return {
    holds: true,
    text: `server CPU: ${cores} cores; the sweep is ${percent(sweepMs / total)} of it, autovacuum at least ${percent(vacuumMs / total)}`,
  }
}

function mean(samples: readonly Sample[], field: keyof Sample): number {
  return samples.reduce((sum, sample) => sum + sample[field], 0) / samples.length
}

const mib = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`
