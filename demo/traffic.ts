// Callers that ask as fast as they are answered, for some cities far more often than for others.

import { Latencies } from './latencies.ts'
import type { Second, Tasks } from './messages.ts'
import type { Report } from './report.ts'
import { createZipf } from './zipf.ts'

export interface Application {
  /** Undefined: the answer is not at hand. */
  readonly lookUp: (city: number) => Promise<Report | undefined>
  readonly workOut: (city: number) => Promise<Report>
}

export async function serve(
  { cities, callers, seconds }: Omit<Tasks['serve'], 'cached'>,
  { lookUp, workOut }: Application,
  tell: (second: Second) => void,
): Promise<void> {
  const pick = createZipf(cities)
  const end = performance.now() + seconds * 1_000
  let cold = new Latencies()
  let cached = new Latencies()
  let index = 0

  const tellSecond = (): void => {
    tell({ index: index++, cold: cold.counts, cached: cached.counts })
    cold = new Latencies()
    cached = new Latencies()
  }
  const timer = setInterval(tellSecond, 1_000)

  const call = async (): Promise<void> => {
    while (performance.now() < end) {
      const city = pick()
      const begin = performance.now()
      const isCold = (await lookUp(city)) === undefined
      if (isCold) await workOut(city)
      const latencies = isCold ? cold : cached
      latencies.add(performance.now() - begin)
      await nextTurn()
    }
  }
  await Promise.all(Array.from({ length: callers }, call))
  clearInterval(timer)
  if (index < seconds) tellSecond()
}

// A server's requests arrive one turn of the event loop at a time, too.
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
