// Part 1: the same traffic without the cache and with it.

import type { Fleet } from './fleet.ts'
import { Latencies } from './latencies.ts'
import type { FromWorker, Second, Tasks } from './messages.ts'
import { formatCount, formatMs, formatShare, printLine } from './screen.ts'

export interface Serving extends Sum {
  readonly perSecond: number
  readonly bestSecond: number
}

export async function showServing(fleet: Fleet, plan: Tasks['serve']): Promise<Serving> {
  const seconds: Second[][] = []
  const listen = (message: FromWorker): void => {
    if (message.about !== 'second') return
    const { second } = message
    const parts = (seconds[second.index] ??= [])
    parts.push(second)
    // Whole once every process has told its part.
    if (parts.length === fleet.size) printLine(describeSecond(second.index + 1, addUp(parts), plan.cached))
  }
  await fleet.askAll('serve', plan, listen)

  const whole = addUp(seconds.flat())
  return {
    ...whole,
    perSecond: countAnswers(whole) / plan.seconds,
    bestSecond: Math.max(...seconds.map((parts) => countAnswers(addUp(parts)))),
  }
}

interface Sum {
  readonly cold: Latencies
  readonly cached: Latencies
}

function addUp(parts: readonly Second[]): Sum {
  return {
    cold: Latencies.sum(parts.map(({ cold }) => new Latencies(cold))),
    cached: Latencies.sum(parts.map(({ cached }) => new Latencies(cached))),
  }
}

function countAnswers({ cold, cached }: Sum): number {
  return cold.count + cached.count
}

function describeSecond(number: number, sum: Sum, isCached: boolean): string {
  const answers = countAnswers(sum)
  const begin = `${`${number} s`.padStart(4)}${formatCount(answers).padStart(10)} requests/s`
  if (!isCached) return `${begin}   query ${formatQuantiles(sum.cold)}`
  const hitRate = formatShare(sum.cached.count / answers).padStart(7)
  return `${begin}   hits ${hitRate}   cached ${formatQuantiles(sum.cached)}   cold ${formatQuantiles(sum.cold)}`
}

function formatQuantiles(latencies: Latencies): string {
  const [middle, slow] = [0.5, 0.95].map((share) => formatMs(latencies.quantile(share)).padStart(7))
  return `p50 ${middle}  p95 ${slow}`
}
