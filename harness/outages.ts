// When the server was away, and what that excuses: calls that fail, and reads that miss. It excuses no value that is wrong.

import type { Failure, Outage } from './history.ts'

// Afterwards processes find out that it is back: the back-off of their circuits and the time-out of what was swallowed are 5 s each.
const AFTERMATH_MS = 10_000

// Connections that are refused, lost or shut down, and a server that starts.
const PASSING = /^(?:08...|57P0.|E[A-Z]+|unavailable|timeout|read-only|too-many-connections)$/

const ENDED = /^Connection terminated|is not queryable$/

export class Outages {
  readonly #list: readonly Outage[]

  constructor(list: readonly Outage[]) {
    this.#list = list.toSorted((a, b) => a.start - b.start)
  }

  /** Whether any of that time was one. */
  touch({ start, end }: { readonly start: number; readonly end: number }): boolean {
    return this.#list.some((outage) => outage.start <= end && start <= outage.end + AFTERMATH_MS)
  }

  excuse(failure: Failure): boolean {
    return isPassing(failure.code) && this.touch(failure)
  }

  /** Whether the server crashed or was started anew after the one and before the other moment. */
  restartBetween(after: number, before: number): boolean {
    return this.#list.some(({ what, start }) => what !== 'swallowed' && after < start && start < before)
  }
}

export function isPassing(code: string | null): boolean {
  return code !== null && PASSING.test(code)
}

/** Of an error, or of what it was caused by. For connections that ended pg has words only. */
export function codeOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null
  if ('code' in error && typeof error.code === 'string') return error.code
  if (ENDED.test(error.message)) return 'EENDED'
  return error.cause === undefined ? null : codeOf(error.cause)
}
