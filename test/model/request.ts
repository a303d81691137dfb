// A message to the store and back. It goes on one step at a time, whenever the model lets it.

import type { Token } from '../../src/memory/tokens.ts'
import type { Fate } from './family.ts'
import type { Flight } from './flight.ts'

export interface Request {
  /** What can become of it next. */
  next(): readonly Fate[]
  /** False: it is over. */
  happen(what: Fate): boolean
  /** Whatever its future depends on. */
  state(around: Surroundings): string
}

export interface Surroundings {
  /** A token that was opened now. */
  readonly now: Token
  /** The flights that a caller would join now. */
  readonly joinable: ReadonlySet<Flight>
}

/** Counters matter only where they have moved on since the token was opened. */
export function showToken(token: Token, now: Token): string {
  return `${token.epoch === now.epoch} ${token.told}`
}

export function showFlight(flight: Flight, { joinable }: Surroundings): string {
  return `${flight.demand} ${joinable.has(flight)}`
}
