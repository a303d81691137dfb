// What diagnostics_channel tells of every cache of the process: outcomes as they are reported, and traces of what takes time. Nothing is
// made for a channel that nobody has subscribed to.

import { type Channel, channel, type TracingChannel, tracingChannel } from 'node:diagnostics_channel'

/** What is timed. `load` is a run of a loader; the others are calls that the local cache could not answer alone. */
export type TimedCall = 'get' | 'getOrSet' | 'set' | 'load'

/** The message of a trace of a call. Node adds `result` or `error` when it ends. */
export interface CallTrace {
  /** Schema and prefix of the cache: `postgres_cache`, or `postgres_cache.app_`. */
  readonly cache: string
  readonly keys: readonly string[]
}

/** The message of a trace of a statement. Node adds `result` or `error` when it ends. */
export interface StatementTrace {
  /** Schema and prefix of the cache: `postgres_cache`, or `postgres_cache.app_`. */
  readonly cache: string
  /** `read`, `write`, `sync` and so on. */
  readonly statement: string
  /** How many keys share it; 0: it is not about keys. */
  readonly keys: number
}

/** Names are `tracing:postgres-cache:get:start` and so on. */
export const CALL_TRACES: Readonly<Record<TimedCall, TracingChannel<object, CallTrace>>> = {
  get: tracingChannel('postgres-cache:get'),
  getOrSet: tracingChannel('postgres-cache:getOrSet'),
  set: tracingChannel('postgres-cache:set'),
  load: tracingChannel('postgres-cache:load'),
}

export const STATEMENT_TRACE: TracingChannel<object, StatementTrace> =
  tracingChannel('postgres-cache:statement')

/** Names are `postgres-cache:hit` and so on. */
export function outcomeChannel(event: string): Channel {
  return channel(`postgres-cache:${event}`)
}
