// What a client process can be told to do.

import type { Contender, Versions } from './contender.ts'
import { checkCorrectness } from './correctness.ts'
import { fill, type FillInput } from './jobs/fill.ts'
import { armEvictions, collectEvictions, overwrite, stayInUse } from './jobs/evictions.ts'
import { localHits, type LocalHitsInput, type LocalHitsOutput } from './jobs/local-hits.ts'
import { memory, type MemoryInput, type MemoryOutput } from './jobs/memory.ts'
import { mix, type MixInput, type MixOutput } from './jobs/mix.ts'
import { saturate, type SaturateInput, type SaturateOutput } from './jobs/saturate.ts'
import { stampede, type StampedeInput, type StampedeOutput } from './jobs/stampede.ts'
import { traffic, type TrafficInput, type TrafficOutput } from './jobs/traffic.ts'

interface Jobs {
  readonly check: Job<null, Versions>
  readonly fill: Job<FillInput, void>
  readonly saturate: Job<SaturateInput, SaturateOutput>
  readonly traffic: Job<TrafficInput, TrafficOutput>
  readonly mix: Job<MixInput, MixOutput>
  readonly stampede: Job<StampedeInput, StampedeOutput>
  readonly armEvictions: Job<{ key: string }, void>
  readonly overwrite: Job<{ key: string; value: unknown; ttlMs: number }, { sentMs: number; doneMs: number }>
  readonly collectEvictions: Job<{ key: string; patienceMs: number }, number[]>
  readonly stayInUse: Job<{ key: string; ms: number }, void>
  readonly memory: Job<MemoryInput, MemoryOutput>
  readonly localHits: Job<LocalHitsInput, LocalHitsOutput>
}

type Job<Input, Output> = (clients: readonly Contender[], input: Input) => Promise<Output>

export const JOBS: Jobs = {
  check: checkCorrectness,
  fill,
  saturate,
  traffic,
  mix,
  stampede,
  armEvictions,
  overwrite,
  collectEvictions,
  stayInUse,
  memory,
  localHits,
}

export type JobName = keyof Jobs
export type JobInput<J extends JobName> = Parameters<Jobs[J]>[1]
export type JobOutput<J extends JobName> = Awaited<ReturnType<Jobs[J]>>
