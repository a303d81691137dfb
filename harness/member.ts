// One process of a run: takes its assignment, works until it is told to stop, and tells how far it is.

import type { Assignment, Order, Progress, Report, RoleName } from './crew.ts'
import { startMixed } from './roles/mixed.ts'
import { startOriginal } from './roles/original.ts'
import { startSnapshots } from './roles/snapshots.ts'
import { startSweep } from './roles/sweep.ts'

/** A role at work. */
export interface Work {
  readonly progress: Pick<Progress, 'operations' | 'compared' | 'violations'>
  /** Resolves when there is nothing left to do; some roles never come to that. */
  readonly finished: Promise<unknown>
  /** Ends the work and writes down the rest of the history. */
  readonly stop: () => Promise<void>
}

const START: { readonly [R in RoleName]: (assignment: Assignment) => Promise<Work> } = {
  mixed: startMixed,
  original: startOriginal,
  snapshots: startSnapshots,
  sweep: startSweep,
}
const REPORT_EVERY_MS = 250

const report = (message: Report): void => {
  process.send?.(message)
}

let work: Promise<Work> | undefined

process.on('message', (order: Order) => {
  if (order.kind === 'stop') void stop()
  else void begin(order.assignment)
})
// Whoever started this process is gone.
process.on('disconnect', () => process.exit(1))

async function begin(assignment: Assignment): Promise<void> {
  work = START[assignment.role](assignment)
  const { finished } = await work
  report({ kind: 'begun' })
  setInterval(() => void reportProgress(), REPORT_EVERY_MS)
  await finished
  report({ kind: 'finished' })
}

async function reportProgress(): Promise<void> {
  const { progress } = (await work) as Work
  const mib = process.memoryUsage.rss() / 1024 ** 2
  report({ kind: 'progress', ...progress, mib, handles: process.getActiveResourcesInfo().length })
}

async function stop(): Promise<void> {
  await (await work)?.stop()
  await reportProgress()
  process.exit(0)
}
