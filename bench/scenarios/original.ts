// The benchmark of the Python original, with its flags and its columns, in three topologies.

import { CONTENDER_NAMES } from '../contenders.ts'
import type { Figures } from '../figures.ts'
import type { TrafficInput, TrafficOutput } from '../jobs/traffic.ts'
import { distributionOf } from '../latencies.ts'
import { perCall, sum } from '../load-figures.ts'
import type { OriginalSettings, Scenario } from '../scenario.ts'
import type { FleetShape } from '../stage.ts'

type OriginalCell = { readonly topology: keyof typeof TOPOLOGIES }

// 'clients': one for each writer and reader, as the original had it.
const TOPOLOGIES = {
  'one process, one client': { processes: 1, clients: () => 1 },
  'one process, 48 clients': { processes: 1, clients: (tasks: number) => tasks },
  'four processes': { processes: 4, clients: () => 1 },
}

const WARM_UP_ITERATIONS = 10

let round = 0

export const original: Scenario<OriginalCell> = {
  name: 'original',
  question:
    'The benchmark of the Python original: writers and readers that pause after each call, on few keys of short life.',
  figures: [
    'writeMeanMs',
    'writeP95Ms',
    'writesPerSecond',
    'readMeanMs',
    'readP95Ms',
    'readsPerSecond',
    'hitRate',
    'clientCpuUs',
    'serverCpuUs',
  ],
  rounds: { quick: 1, full: 7 }, // medians of five differ by a tenth from run to run

  cells: () => (Object.keys(TOPOLOGIES) as OriginalCell['topology'][]).map((topology) => ({ topology })),

  contenders: () => CONTENDER_NAMES,

  async measure(stage, contender, { topology }) {
    const settings = shorten(stage.settings.original, stage.effort === 'quick')
    const { processes, clients } = TOPOLOGIES[topology]
    const { networkLatencyMs: latencyMs, networkJitterMs: jitterMs } = settings
    const shape: FleetShape = {
      processes,
      clients: clients(settings.writers + settings.readers),
      ...(latencyMs + jitterMs > 0 && {
        address: await stage.slowAddressOf(contender, { latencyMs, jitterMs }),
      }),
    }
    // As the original does: new clients for each run, and no entry of an earlier one.
    await using fleet = await stage.openFleet(contender, shape)
    const set = `original:${round++}`
    // Connections are made before the clock runs.
    await fleet.run('traffic', (i) => ({
      ...inputOf(warmUpOf(settings), i, processes),
      set: `${set}:warm-up`,
    }))
    const { result, serverCpuMs } = await stage.watchingServer(contender, () =>
      fleet.run('traffic', (i) => ({ ...inputOf(settings, i, processes), set })),
    )
    return figuresOf(result, serverCpuMs)
  },
}

function shorten(settings: OriginalSettings, isQuick: boolean): OriginalSettings {
  if (!isQuick) return settings
  return {
    ...settings,
    writeIterations: Math.ceil(settings.writeIterations / 8),
    readIterations: Math.ceil(settings.readIterations / 8),
  }
}

function warmUpOf(settings: OriginalSettings): OriginalSettings {
  return { ...settings, writeIterations: WARM_UP_ITERATIONS, readIterations: WARM_UP_ITERATIONS }
}

function inputOf(settings: OriginalSettings, process: number, processes: number): Omit<TrafficInput, 'set'> {
  const shareOf = (tasks: number): number => Math.floor((tasks + processes - 1 - process) / processes)
  return {
    keys: settings.keyspace,
    ttlMs: settings.ttlMs,
    writers: shareOf(settings.writers),
    readers: shareOf(settings.readers),
    writeIterations: settings.writeIterations,
    readIterations: settings.readIterations,
  }
}

function figuresOf(outputs: readonly TrafficOutput[], serverCpuMs: number | undefined): Figures {
  const writes = tasksOf(outputs, 'writes')
  const reads = tasksOf(outputs, 'reads')
  const calls = writes.calls + reads.calls
  return {
    writeMeanMs: writes.meanMs,
    writeP95Ms: writes.p95Ms,
    writesPerSecond: writes.perSecond,
    readMeanMs: reads.meanMs,
    readP95Ms: reads.p95Ms,
    readsPerSecond: reads.perSecond,
    hitRate: sum(outputs.map(({ hits }) => hits)) / reads.calls,
    clientCpuUs: (sum(outputs.map(({ cpuMs }) => cpuMs)) / calls) * 1000,
    serverCpuUs: perCall(serverCpuMs, calls),
  }
}

function tasksOf(outputs: readonly TrafficOutput[], kind: 'writes' | 'reads') {
  const all = outputs.map((output) => output[kind])
  const startedMs = Math.min(...all.map((tasks) => tasks.startedMs))
  const finishedMs = Math.max(...all.map((tasks) => tasks.finishedMs))
  const calls = sum(all.map(({ latencies }) => latencies.length))
  const { meanMs, p95Ms } = distributionOf(all.map(({ latencies }) => latencies))
  return { calls, meanMs, p95Ms, perSecond: (calls / (finishedMs - startedMs)) * 1000 }
}
