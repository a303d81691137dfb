// Clocks that are set, and machines that sleep or stand still.

import type { Event, Family } from './family.ts'
import { PLAIN, STORED } from './plain-family.ts'

const HELD: readonly Event[] = [...STORED, ['get', 0], ['see', 2], ['answer', 2]]

/** 63 waits of 30 ms: almost the whole lease. */
const LONG_WAIT: readonly Event[] = Array.from({ length: 63 }, () => ['wait', 0])

/** Steps too small to be told from slewing, because the lease is long. */
const SLEWED: Omit<Family, 'name' | 'bounds'> = {
  ...PLAIN,
  maxStalenessMs: 200_000,
  stepsMs: [150],
  before: HELD,
  merges: false,
}

export const clockFamilies: readonly Family[] = [
  {
    ...PLAIN,
    name: 'the lease',
    bounds: { get: 2, foreign: 1, renew: 2, wait: 4 },
  },
  {
    ...PLAIN,
    name: 'a clock that goes back',
    ttlMs: 1_300,
    before: HELD,
    bounds: { foreign: 1, renew: 2, work: 3, wait: 1, 'step back': 1 },
    merges: false,
  },
  {
    ...PLAIN,
    name: 'a clock that goes back while nothing looks',
    before: HELD,
    bounds: { foreign: 1, renew: 1, wait: 4, 'step back': 1 },
    merges: false,
  },
  {
    ...PLAIN,
    name: 'a clock that goes back within a window',
    waitMs: 30,
    stepsMs: [90],
    before: [...HELD, ['foreign', 0], ...LONG_WAIT],
    bounds: { get: 1, wait: 6, 'step back': 1 },
    merges: false,
  },
  {
    ...PLAIN,
    name: 'a clock that jumps on',
    ttlMs: 1_300,
    before: HELD,
    bounds: { foreign: 1, renew: 1, work: 2, wait: 1, 'step forward': 1, suspend: 1 },
    merges: false,
  },
  {
    ...SLEWED,
    name: 'a long lease and a small step back',
    waitMs: 50_010,
    bounds: { foreign: 1, renew: 1, wait: 4, 'step back': 1 },
  },
  {
    ...SLEWED,
    name: 'a long lease and a small step forward',
    waitMs: 49_950,
    bounds: { foreign: 1, renew: 1, wait: 4, 'step forward': 1 },
  },
  {
    ...PLAIN,
    name: 'a machine that stands still',
    ttlMs: 1_300,
    before: HELD,
    bounds: { foreign: 1, renew: 2, work: 2, freeze: 1 },
    merges: false,
  },
  {
    ...PLAIN,
    name: 'last known while a clock is set',
    ttlMs: 1_300,
    before: HELD,
    bounds: { renew: 1, recovery: 1, work: 2, 'step back': 1 },
    merges: false,
  },
  {
    ...PLAIN,
    name: 'reads while a clock is set',
    ttlMs: 1_300,
    bounds: { get: 1, work: 3, 'step forward': 1, 'step back': 1 },
    merges: false,
  },
]
