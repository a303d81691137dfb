// The original's benchmark: writers and readers that pause between calls, on keys drawn at random.

import { setTimeout as delay } from 'node:timers/promises'
import type { Contender } from '../contender.ts'
import { Latencies } from '../latencies.ts'
import { machineMs } from '../machine-clock.ts'
import { createKeyPicker } from '../values.ts'

// Node counts timers in whole milliseconds, so that a pause is a little longer than in the original's asyncio.
const WRITER_PAUSE_MS = 5
const READER_PAUSE_MS = 2

export interface TrafficInput {
  readonly set: string
  readonly keys: number
  readonly ttlMs: number
  readonly writers: number
  readonly readers: number
  readonly writeIterations: number
  readonly readIterations: number
}

export interface TrafficOutput {
  readonly writes: Tasks
  readonly reads: Tasks
  readonly hits: number
  readonly cpuMs: number
}

export interface Tasks {
  readonly latencies: Float64Array
  /** Of the machine's clock, comparable between processes. */
  readonly startedMs: number
  readonly finishedMs: number
}

/** Writers and readers take the clients in turn. */
export async function traffic(clients: readonly Contender[], input: TrafficInput): Promise<TrafficOutput> {
  const nextKey = createKeyPicker(input.set, input.keys)
  const clientOf = (task: number): Contender => clients[task % clients.length] as Contender
  let hits = 0

  const write = async (task: number, iteration: number): Promise<void> => {
    const payload = { writer: task, iteration, ts: Date.now() / 1000 }
    await clientOf(task).set(nextKey(), payload, input.ttlMs)
  }
  const read = async (task: number): Promise<void> => {
    if ((await clientOf(input.writers + task).get(nextKey())) !== undefined) hits += 1
  }

  const cpu = process.cpuUsage()
  const [writes, reads] = await Promise.all([
    runTasks(input.writers, input.writeIterations, WRITER_PAUSE_MS, write),
    runTasks(input.readers, input.readIterations, READER_PAUSE_MS, read),
  ])
  const { user, system } = process.cpuUsage(cpu)
  return { writes, reads, hits, cpuMs: (user + system) / 1000 }
}

async function runTasks(
  tasks: number,
  iterations: number,
  pauseMs: number,
  call: (task: number, iteration: number) => Promise<void>,
): Promise<Tasks> {
  const latencies = new Latencies()
  const startedMs = machineMs()
  await Promise.all(
    Array.from({ length: tasks }, async (_, task) => {
      for (let iteration = 0; iteration < iterations; iteration++) {
        const start = performance.now()
        await call(task, iteration)
        latencies.add(performance.now() - start)
        await delay(Math.random() * pauseMs)
      }
    }),
  )
  return { latencies: latencies.toArray(), startedMs, finishedMs: machineMs() }
}
