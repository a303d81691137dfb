// The figures of closed-loop load, from the outputs of its processes.

import type { Figures } from './figures.ts'
import { distributionOf } from './latencies.ts'

export interface LoadOutput {
  readonly calls: number
  readonly ms: number
  readonly cpuMs: number
  readonly latencies: Float64Array
}

export function figuresOf(outputs: readonly LoadOutput[], serverCpuMs: number | undefined): Figures {
  const calls = sum(outputs.map((output) => output.calls))
  const ms = Math.max(...outputs.map((output) => output.ms))
  return {
    opsPerSecond: (calls / ms) * 1000,
    ...distributionOf(outputs.map(({ latencies }) => latencies)),
    clientCpuUs: (sum(outputs.map(({ cpuMs }) => cpuMs)) / calls) * 1000,
    serverCpuUs: serverCpuMs === undefined ? undefined : (serverCpuMs / calls) * 1000,
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
