// Breadth first through every history of a family, so that a violation is shown by a shortest one. The objects under
// test cannot be copied: each history is played from the beginning. Two histories that lead to the same state have the
// same future, and only the first goes on.

import type { Event, Family } from './family.ts'
import type { MemoryCode } from './memory-code.ts'
import { Violation } from './promises.ts'
import { Run } from './run.ts'

// A family that has grown by mistake should say so instead of filling the memory.
const MOST_HISTORIES = 500_000

export interface Exploration {
  readonly states: number
  readonly histories: number
  /** Events of the longest. */
  readonly longest: number
  /** Hits that were held against the promises. */
  readonly hits: number
  readonly ms: number
  readonly violation: { readonly message: string; readonly history: readonly string[] } | null
}

interface History {
  readonly before: History | null
  readonly event: Event | null
  readonly length: number
  readonly next: readonly Event[]
}

export function explore(family: Family, code: MemoryCode): Exploration {
  const started = performance.now()
  const seen = new Set<number>()
  let histories = 0
  let hits = 0
  let longest = 0

  /** Plays one history; returns it with what can happen next, unless it leads where another has led. */
  const play = (before: History | null, event: Event | null): History | null => {
    histories++
    if (histories > MOST_HISTORIES)
      throw new RangeError(`${family.name} has more than ${MOST_HISTORIES} histories`)
    const run = new Run(family, code)
    for (const each of eventsOf(before, event)) run.happen(each)
    const next = run.events()
    if (family.merges) {
      const state = hash(run.state())
      if (seen.has(state)) return null
      seen.add(state)
    }
    hits += run.lookAtHits()
    run.rest()
    longest = before === null ? 0 : before.length + 1
    return { before, event, length: longest, next }
  }

  const figures = (): Omit<Exploration, 'violation'> => {
    const states = family.merges ? seen.size : histories
    return { states, histories, longest, hits, ms: performance.now() - started }
  }

  const queue: (History | null)[] = [play(null, null)]
  for (let i = 0; i < queue.length; i++) {
    const history = queue[i] as History
    queue[i] = null
    for (const event of history.next) {
      try {
        const longer = play(history, event)
        if (longer !== null) queue.push(longer)
      } catch (error) {
        if (!(error instanceof Violation)) throw error
        const trace = eventsOf(history, event).map(([what, which]) => `${what} ${which}`)
        return { ...figures(), violation: { message: error.message, history: trace } }
      }
    }
  }
  return { ...figures(), violation: null }
}

function eventsOf(history: History | null, last: Event | null): Event[] {
  const events: Event[] = last === null ? [] : [last]
  for (let each = history; each !== null; each = each.before) if (each.event !== null) events.push(each.event)
  return events.toReversed()
}

/** 53 bits (cyrb53): among a million states, two are taken for one with a probability below 1 in 10,000. */
function hash(text: string): number {
  let high = 0xdeadbeef
  let low = 0x41c6ce57
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    high = Math.imul(high ^ code, 2654435761)
    low = Math.imul(low ^ code, 1597334677)
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909)
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909)
  return 4294967296 * (2097151 & low) + (high >>> 0)
}
