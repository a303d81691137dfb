// Part 3: hundreds of requests at the same instant for something that is not cached.

import type { Fleet } from './fleet.ts'
import { monotonicMs } from './messages.ts'

// Time for every process to have been told.
const LEAD_MS = 100

export interface Stampede {
  readonly answered: number
  /** Until the last one was answered. */
  readonly ms: number
}

export async function runStampede(
  fleet: Fleet,
  city: number,
  callers: number,
  cached: boolean,
): Promise<Stampede> {
  const atMs = monotonicMs() + LEAD_MS
  const parts = await fleet.askAll('stampede', { city, callers, atMs, cached })
  return {
    answered: parts.reduce((total, { answered }) => total + answered, 0),
    ms: Math.max(...parts.map(({ ms }) => ms)),
  }
}
