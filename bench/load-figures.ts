// Figures of load, from the outputs of its processes.

import type { Figures } from './figures.ts'
import type { MixOutput } from './jobs/mix.ts'
import type { SaturateOutput } from './jobs/saturate.ts'
import { distributionOf } from './latencies.ts'

export function saturationFigures(
  { calls, ms, cpuMs, latencies }: SaturateOutput,
  serverCpuMs: number | undefined,
): Figures {
  return {
    opsPerSecond: (calls / ms) * 1000,
    ...distributionOf([latencies]),
    clientCpuUs: (cpuMs / calls) * 1000,
    serverCpuUs: perCall(serverCpuMs, calls),
  }
}

export function mixFigures(outputs: readonly MixOutput[], serverCpuMs: number | undefined): Figures {
  const reads = outputs.map((output) => output.reads)
  const writes = outputs.map((output) => output.writes)
  const readCount = sum(reads.map(({ length }) => length))
  const calls = readCount + sum(writes.map(({ length }) => length))
  const read = distributionOf(reads)
  const write = distributionOf(writes)
  return {
    opsPerSecond: (calls / Math.max(...outputs.map(({ ms }) => ms))) * 1000,
    readMeanMs: read.meanMs,
    readP50Ms: read.p50Ms,
    readP95Ms: read.p95Ms,
    readP99Ms: read.p99Ms,
    writeMeanMs: write.meanMs,
    writeP95Ms: write.p95Ms,
    hitRate: sum(outputs.map(({ hits }) => hits)) / readCount,
    clientCpuUs: (sum(outputs.map(({ cpuMs }) => cpuMs)) / calls) * 1000,
    serverCpuUs: perCall(serverCpuMs, calls),
  }
}

export function perCall(cpuMs: number | undefined, calls: number): number | undefined {
  return cpuMs === undefined ? undefined : (cpuMs / calls) * 1000
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
