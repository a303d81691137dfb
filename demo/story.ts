// The three parts of the demo, and what each of them claims.

import type { Client } from 'pg'
import type { Fleet } from './fleet.ts'
import { formatCount, formatMs, printFact, printLine, printTitle } from './screen.ts'
import { showServing } from './serving.ts'
import { countReportRuns, type Source } from './source.ts'
import { runStampede } from './stampede.ts'
import { showUpdates } from './updating.ts'

/** What was shown, and whether it was as promised. */
export interface Claim {
  readonly text: string
  readonly holds: boolean
}

export interface Stage {
  readonly client: Client
  readonly source: Source
  readonly fleet: Fleet
  readonly extent: Extent
}

export interface Extent {
  readonly cities: number
  readonly secondsWithout: number
  readonly secondsWith: number
  readonly updates: number
  /** Of a stampede, in each process. */
  readonly callers: number
  readonly stampedeWithout: boolean
}

export const FULL: Extent = {
  cities: 600,
  secondsWithout: 8,
  secondsWith: 12,
  updates: 12,
  callers: 200,
  stampedeWithout: true,
}

export const SHORT: Extent = {
  cities: 100,
  secondsWithout: 3,
  secondsWith: 4,
  updates: 4,
  callers: 100,
  stampedeWithout: false,
}

const CALLERS = 2
const MAX_STALENESS_MS = 2_000 // what the cache promises by default

export async function tellStory(stage: Stage): Promise<Claim[]> {
  await stage.fleet.askAll('connect', null)
  return [...(await compareServing(stage)), await showFreshness(stage), await showStampede(stage)]
}

async function compareServing({ fleet, source, extent }: Stage): Promise<Claim[]> {
  const traffic = { cities: source.cityIds.slice(0, extent.cities), callers: CALLERS }
  printTitle(
    `1  ${fleet.size} processes with ${CALLERS} callers each ask for ${extent.cities} cities, the popular ones far more often`,
  )
  printLine('without the cache: every request runs the query')
  const without = await showServing(fleet, { ...traffic, seconds: extent.secondsWithout, cached: false })
  printLine('\n  with the cache: cache.getOrSet(key, query)')
  const cached = await showServing(fleet, { ...traffic, seconds: extent.secondsWith, cached: true })
  const [slow, fast] = [without.cold.quantile(0.5), cached.cached.quantile(0.5)]
  return [
    {
      text:
        `${formatCount(without.perSecond)} requests a second without the cache, ${formatCount(cached.perSecond)} with it ` +
        `(${formatCount(cached.bestSecond)} in its best second)`,
      holds: cached.bestSecond > without.perSecond,
    },
    {
      text: `an answer took ${formatMs(slow)} without the cache, ${formatMs(fast)} when cached (medians)`,
      holds: fast < slow,
    },
  ]
}

async function showFreshness({ fleet, source, extent }: Stage): Promise<Claim> {
  printTitle(
    '2  One process updates a row and invalidates its key, in one transaction; the others ask every millisecond',
  )
  const cities = source.cityIds.slice(0, extent.updates)
  const { slowestOldMs, holds } = await showUpdates(fleet, { cities, maxStalenessMs: MAX_STALENESS_MS })
  return {
    text:
      `${cities.length} updates: no process served the old value longer than ${formatMs(slowestOldMs)} after the commit was sent ` +
      `(promised: ${formatMs(MAX_STALENESS_MS)})`,
    holds,
  }
}

async function showStampede({ client, fleet, source, extent }: Stage): Promise<Claim> {
  const [oneCity = 0, otherCity = 0] = source.cityIds.slice(extent.cities)
  printTitle(`3  ${fleet.size * extent.callers} requests at one instant for a city that is not cached`)
  const run = async (city: number, cached: boolean): Promise<number> => {
    const { answered, ms } = await runStampede(fleet, city, extent.callers, cached)
    const runs = await countReportRuns(client, source, city)
    printFact(
      cached ? 'with' : 'without',
      `${answered} answers within ${formatMs(ms)}; the query ran ${formatTimes(runs)}, says the database`,
    )
    return runs
  }
  if (extent.stampedeWithout) await run(oneCity, false)
  const runs = await run(otherCity, true)
  return {
    text: `${fleet.size * extent.callers} requests at once for a missing key: the query ran ${formatTimes(runs)}`,
    holds: runs === 1,
  }
}

function formatTimes(times: number): string {
  return times === 1 ? 'once' : `${times} times`
}
