// Which entries should go when the table is beyond its caps? Traces against a model of the sweep, in memory: no server takes part.

import { alignedTable } from './table.ts'
import { createZipf } from './zipf.ts'

const KEYS = 100_000
const CAP = 10_000
const CALLS = 3_000_000
const WARM_UP = 1_000_000
/** Between two turns of the sweeper. */
const CALLS_PER_TURN = 2_000
// Of sql/0004_sweep.sql: an eviction chooses among the rows of some neighbouring blocks.
const ROWS_PER_WINDOW = 2_500
const EVICTED_PER_WINDOW = 500
const SAMPLED_HITS = 1 / 16

interface Row {
  readonly key: number
  readonly writtenAt: number
  readonly expiresAt: number
  usedAt: number
  isMarked: boolean
}

interface Policy {
  /** Rows go in ascending order. */
  readonly rank: (row: Row) => number
  /** Whether a hit costs a write of the row's mark, which the hand takes back. */
  readonly marks?: boolean
}

const POLICIES: Readonly<Record<string, Policy>> = {
  'what expires soonest': { rank: ({ expiresAt }) => expiresAt },
  'first written': { rank: ({ writtenAt }) => writtenAt },
  'clock, one hit in 16 marks': { rank: ({ isMarked }) => Number(isMarked), marks: true },
  'at random': { rank: Math.random },
  'least recently used (every hit a write)': { rank: ({ usedAt }) => usedAt },
}

/** The key that call number `i` asks for. */
type Trace = (i: number) => number

function zipf(): Trace {
  const next = createZipf(KEYS)
  return () => next()
}

/** One call in five is of a job that reads each key once. */
function zipfAndScan(): Trace {
  const next = createZipf(KEYS)
  return (i) => (i % 5 === 0 ? KEYS + i : next())
}

type Ttl = (key: number) => number

const SAME: Ttl = () => 600_000
/** Fixed for each key, from a sixtieth to the whole. */
const MIXED: Ttl = (key) => (600_000 / 60) * (1 + ((key * 7919) % 60))

function simulate(policy: Policy, trace: Trace, ttlOf: Ttl): { hitRatio: number; writesPerHit: number } {
  const slots: (Row | undefined)[] = []
  const free: number[] = []
  const slotOf = new Map<number, number>()
  let hand = 0
  let [hits, reads, marks] = [0, 0, 0]

  const remove = (slot: number): void => {
    slotOf.delete((slots[slot] as Row).key)
    slots[slot] = undefined
    free.push(slot)
  }
  const turn = (now: number): void => {
    for (const [slot, row] of slots.entries()) if (row !== undefined && row.expiresAt <= now) remove(slot)
    while (slotOf.size > CAP) {
      const to = Math.min(hand + ROWS_PER_WINDOW, slots.length)
      const window: number[] = []
      for (let slot = hand; slot < to; slot++) if (slots[slot] !== undefined) window.push(slot)
      window.sort((a, b) => policy.rank(slots[a] as Row) - policy.rank(slots[b] as Row))
      for (const slot of window.splice(0, Math.min(EVICTED_PER_WINDOW, slotOf.size - CAP))) remove(slot)
      if (policy.marks === true) for (const slot of window) (slots[slot] as Row).isMarked = false
      hand = to === slots.length ? 0 : to
    }
  }

  for (let now = 0; now < CALLS; now++) {
    const key = trace(now)
    const slot = slotOf.get(key)
    const row = slot === undefined ? undefined : slots[slot]
    const isHit = row !== undefined && row.expiresAt > now
    if (now >= WARM_UP) {
      reads++
      hits += Number(isHit)
    }
    if (isHit) {
      row.usedAt = now
      if (policy.marks === true && !row.isMarked && Math.random() < SAMPLED_HITS) {
        row.isMarked = true
        marks += Number(now >= WARM_UP)
      }
    } else {
      const written = slot ?? free.pop() ?? slots.length
      slots[written] = { key, writtenAt: now, expiresAt: now + ttlOf(key), usedAt: now, isMarked: false }
      slotOf.set(key, written)
    }
    if (now % CALLS_PER_TURN === 0) turn(now)
  }
  return { hitRatio: hits / reads, writesPerHit: marks / hits }
}

const CASES: readonly (readonly [string, () => Trace, Ttl])[] = [
  ['Zipf, one ttl', zipf, SAME],
  ['Zipf, mixed ttls', zipf, MIXED],
  ['with scans, one ttl', zipfAndScan, SAME],
  ['with scans, mixed ttls', zipfAndScan, MIXED],
]

const rows = Object.entries(POLICIES).map(([name, policy]) => [
  name,
  ...CASES.map(([, trace, ttl]) => {
    const { hitRatio, writesPerHit } = simulate(policy, trace(), ttl)
    const cost = policy.marks === true ? `, ${(writesPerHit * 100).toFixed(1)} writes in 100 hits` : ''
    return `${(hitRatio * 100).toFixed(1)} %${cost}`
  }),
])
console.log(
  `Hit ratio in the store. ${CAP} of ${KEYS} keys fit, ${CALLS - WARM_UP} calls, a turn every ${CALLS_PER_TURN}.\n`,
)
console.log(alignedTable(['goes first', ...CASES.map(([name]) => name)], rows))
