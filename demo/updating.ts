// Part 2: one process changes a row, and the others are watched: until when the old value, from when the new one?

import type { Fleet } from './fleet.ts'
import type { Answers, Tasks } from './messages.ts'
import { formatMs, printLine } from './screen.ts'

export interface UpdatingPlan {
  readonly cities: readonly number[]
  /** The option maxStaleness of the cache: no old value may be served later than this after the commit. */
  readonly maxStalenessMs: number
}

export interface Updating {
  /** Latest moment at which an old value was asked for and served, after the commit was sent. */
  readonly slowestOldMs: number
  readonly holds: boolean
}

interface Delay {
  readonly oldMs: number
  readonly newMs: number
}

export async function showUpdates(fleet: Fleet, plan: UpdatingPlan): Promise<Updating> {
  const byProcess: Delay[][] = Array.from({ length: fleet.size }, () => [])
  for (const [round, city] of plan.cities.entries()) {
    const delays = await updateOnce(fleet, city, round % fleet.size, plan.maxStalenessMs * 2)
    for (const [worker, delay] of delays) byProcess[worker]?.push(delay)
  }

  printLine('              old value last served       new value first served')
  printLine('               median       slowest        median       slowest')
  for (const [worker, delays] of byProcess.entries()) {
    const columns = [delays.map(({ oldMs }) => oldMs), delays.map(({ newMs }) => newMs)]
    const figures = columns.flatMap((column) => [median(column), Math.max(...column)])
    printLine(`process ${worker + 1}  ${figures.map((ms) => formatMs(ms).padStart(10)).join('    ')}`)
  }
  const all = byProcess.flat()
  const slowestOldMs = Math.max(...all.map(({ oldMs }) => oldMs))
  return {
    slowestOldMs,
    holds: slowestOldMs <= plan.maxStalenessMs && all.every(({ newMs }) => newMs < Infinity),
  }
}

/** The delays of every process but the writer. */
async function updateOnce(
  fleet: Fleet,
  city: number,
  writer: number,
  patienceMs: number,
): Promise<Map<number, Delay>> {
  const readers = Array.from({ length: fleet.size }, (_, worker) => worker).filter(
    (worker) => worker !== writer,
  )
  const watches = readers.map((reader) => startWatch(fleet, reader, { city, patienceMs }))
  await Promise.all(watches.map(({ begun }) => begun))
  const { commitSentAtMs } = await fleet.ask(writer, 'update', { city })
  const seen = await Promise.all(watches.map(({ ended }) => ended))
  return new Map(seen.map((watched, i) => [readers[i] ?? -1, toDelay(watched, commitSentAtMs)]))
}

interface StartedWatch {
  readonly begun: Promise<unknown>
  readonly ended: Promise<Answers['watch']>
}

function startWatch(fleet: Fleet, reader: number, task: Tasks['watch']): StartedWatch {
  let begin = (): void => {}
  const watching = new Promise<void>((resolve) => {
    begin = resolve
  })
  const ended = fleet.ask(reader, 'watch', task, ({ about }) => about === 'watching' && begin())
  // A reader that fails never begins.
  return { begun: Promise.race([watching, ended]), ended }
}

function toDelay({ oldAtMs, newAtMs }: Answers['watch'], commitSentAtMs: number): Delay {
  // The old value was last asked for before the commit was sent: none was served after it.
  return { oldMs: Math.max(0, oldAtMs - commitSentAtMs), newMs: (newAtMs ?? Infinity) - commitSentAtMs }
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN
}
