// What a family is unless it says otherwise.

import type { Step } from './abstract-store.ts'
import type { Event, Family } from './family.ts'

export const SET: Step = { do: 'set', key: 'a', tags: [] }

export const STORED: readonly Event[] = [['foreign', 0]]

export const PLAIN: Omit<Family, 'name' | 'bounds'> = {
  keys: ['a'],
  tags: [],
  ttlMs: Infinity,
  maxStalenessMs: 2_000,
  waitMs: 750,
  stepsMs: [1_000, 400],
  invalidations: [],
  foreign: [SET],
  touches: [],
  local: 'some',
  before: STORED,
  merges: true,
}
