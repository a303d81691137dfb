// What a client process can be told to do.

import type { Contender, Versions } from './contender.ts'
import { checkCorrectness } from './correctness.ts'
import { fill, type FillInput } from './jobs/fill.ts'
import { saturate, type SaturateInput, type SaturateOutput } from './jobs/saturate.ts'

interface Jobs {
  readonly check: Job<null, Versions>
  readonly fill: Job<FillInput, void>
  readonly saturate: Job<SaturateInput, SaturateOutput>
}

type Job<Input, Output> = (clients: readonly Contender[], input: Input) => Promise<Output>

export const JOBS: Jobs = {
  check: checkCorrectness,
  fill,
  saturate,
}

export type JobName = keyof Jobs
export type JobInput<J extends JobName> = Parameters<Jobs[J]>[1]
export type JobOutput<J extends JobName> = Awaited<ReturnType<Jobs[J]>>
