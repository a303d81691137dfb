// One report per outcome: it counts and tells listeners and diagnostics channels together, so that figures and events can never disagree.

import type { Channel } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { outcomeChannel, type TimedCall } from './channels.ts'
import type { Hint } from './core/change.ts'
import { checkOneOf, invalid } from './core/check.ts'
import type { CacheError } from './core/errors.ts'
import { type CacheMeasures, MeasureRecorder } from './measures.ts'

/** What `on` can listen to, and what a listener gets. Names are outcomes: they have happened. */
export interface CacheEvents {
  /** A value was served, from the local cache, the store, or past its ttl within its grace. */
  hit: { readonly key: string; readonly tier: HitTier }
  missed: { readonly key: string }
  /** A loader returned; `stored` is false where its value was fenced, skipped, or could not be written. */
  loaded: { readonly key: string; readonly ms: number; readonly stored: boolean }
  'load-failed': { readonly key: string; readonly error: unknown }
  /** A set was committed. */
  stored: { readonly key: string }
  deleted: { readonly key: string }
  /** This process invalidated; `prefix` is empty for all. */
  invalidated: {
    readonly keys?: readonly string[]
    readonly tags?: readonly string[]
    readonly prefix?: string
  }
  /** An entry left the local cache. */
  evicted: { readonly key: string; readonly reason: EvictionReason }
  /** The local cache was emptied: its entries could no longer be judged by what is heard from now on. */
  flushed: { readonly reason: FlushReason; readonly entries: number }
  'hint-received': { readonly kind: Hint['kind'] }
  synced: { readonly ms: number; readonly changes: number }
  /** A call was answered by the store, or a loader returned; whether it failed or not. Of `get` and `set` one in sixteen is timed. */
  timed: { readonly call: TimedCall; readonly ms: number }
  /** A statement was answered, or has failed. */
  sent: {
    readonly statement: string
    /** How many keys share it; 0: it is not about keys. */
    readonly keys: number
    readonly ms: number
    readonly error: CacheError | undefined
  }
  'session-lost': { readonly error: CacheError }
  /** After `ms` without a session. */
  'session-restored': { readonly ms: number }
  /** Rows that were expired or void, and those beyond `store.maxEntries` or `store.maxBytes`. */
  swept: { readonly removed: number; readonly evicted: number }
  /** Works, but not as configured: a pooler that swallows notifications, for one. */
  degraded: { readonly reason: string }
  /** The server cannot be reached: reads miss and writes reject at once, until it closes. */
  'circuit-opened': { readonly error: CacheError }
  'circuit-closed': Readonly<Record<string, never>>
  /** An audit found in the local cache what the store no longer had: a fault of this package. */
  'violation-found': { readonly key: string }
  /** A failure that a read or work in the background survived. */
  error: { readonly error: CacheError; readonly operation: string }
}

/** `changed`: by anyone's write; `contradicted`: a read brought something else; `capacity`: pushed out. */
export type EvictionReason = 'capacity' | 'expired' | 'changed' | 'contradicted'

/**
 * `clock`: a clock was stepped; `gap`: too far behind the feed; `world`: the tables were emptied or replaced; `violation`:
 * an audit found one.
 */
export type FlushReason = 'clock' | 'gap' | 'world' | 'recovery' | 'violation' | 'closed'

export type HitTier = 'local' | 'store' | 'stale'

export type CacheListener<E extends keyof CacheEvents> = (payload: CacheEvents[E]) => void

/** Since the cache was made. */
export interface CacheCounters {
  hits: Record<HitTier, number>
  misses: number
  loads: number
  loadFailures: number
  sets: number
  deletes: number
  invalidations: number
  evictions: number
  flushes: number
  hints: number
  syncs: number
  sessionsLost: number
  sessionsRestored: number
  /** Rows that this process's sweeper removed or evicted. */
  swept: number
  circuitsOpened: number
  /** What audits found: must be 0. */
  violations: number
  errors: number
}

/** How each outcome counts. */
const COUNT: {
  readonly [E in keyof CacheEvents]: (
    counters: CacheCounters,
    payload: CacheEvents[E],
    measures: MeasureRecorder,
  ) => void
} = {
  hit: (counters, { tier }) => (counters.hits[tier] += 1),
  missed: (counters) => (counters.misses += 1),
  loaded: (counters) => (counters.loads += 1),
  'load-failed': (counters) => (counters.loadFailures += 1),
  stored: (counters) => (counters.sets += 1),
  deleted: (counters) => (counters.deletes += 1),
  invalidated: (counters) => (counters.invalidations += 1),
  evicted: (counters) => (counters.evictions += 1),
  flushed: (counters) => (counters.flushes += 1),
  'hint-received': (counters) => (counters.hints += 1),
  synced: (counters) => (counters.syncs += 1),
  timed: (_, { call, ms }, measures) => measures.timed(call, ms),
  sent: (_, { statement, keys, ms, error }, measures) =>
    measures.sent(statement, keys, ms, error !== undefined),
  'session-lost': (counters) => (counters.sessionsLost += 1),
  'session-restored': (counters) => (counters.sessionsRestored += 1),
  swept: (counters, { removed, evicted }) => (counters.swept += removed + evicted),
  degraded: () => {},
  'circuit-opened': (counters) => (counters.circuitsOpened += 1),
  'circuit-closed': () => {},
  'violation-found': (counters) => (counters.violations += 1),
  error: (counters) => (counters.errors += 1),
}

const EVENTS = Object.keys(COUNT)

const CHANNELS = Object.fromEntries(EVENTS.map((event) => [event, outcomeChannel(event)])) as Readonly<
  Record<keyof CacheEvents, Channel>
>
// Looked at for each read and write: found by name alone they would cost more than the counting.
const { hit: HIT_CHANNEL, missed: MISSED_CHANNEL, stored: STORED_CHANNEL } = CHANNELS

interface Registration {
  // Written as a method to fit any listener: registrations are kept by event, and report() checks the payload's type.
  listener(payload: unknown): void
  hasFailed: boolean
}

export class Reporter {
  /** Schema and prefix of the cache: tells the caches of a process apart in what diagnostics channels are told. */
  readonly cache: string
  readonly #counters: CacheCounters = createCounters()
  readonly #measures = new MeasureRecorder()
  // Replaced, never changed in place: a listener may unsubscribe while its event is being delivered.
  readonly #registrations: Partial<Record<keyof CacheEvents, readonly Registration[] | undefined>> = {}

  constructor(cache = 'postgres_cache') {
    this.cache = cache
  }

  report<E extends keyof CacheEvents>(event: E, payload: CacheEvents[E]): void {
    COUNT[event](this.#counters, payload, this.#measures)
    for (const registration of this.#registrations[event] ?? []) deliver(event, registration, payload)
    if (CHANNELS[event].hasSubscribers) CHANNELS[event].publish({ cache: this.cache, ...payload })
  }

  /** As `report('hit', …)`, without a payload where nobody listens: a local hit allocates nothing. */
  hit(key: string, tier: HitTier): void {
    if (this.#registrations.hit === undefined && !HIT_CHANNEL.hasSubscribers) this.#counters.hits[tier] += 1
    else this.report('hit', { key, tier })
  }

  /** As `report('missed', …)`, without a payload where nobody listens. */
  missed(key: string): void {
    if (this.#registrations.missed === undefined && !MISSED_CHANNEL.hasSubscribers) this.#counters.misses += 1
    else this.report('missed', { key })
  }

  /** As `report('stored', …)`, without a payload where nobody listens. */
  stored(key: string): void {
    if (this.#registrations.stored === undefined && !STORED_CHANNEL.hasSubscribers) this.#counters.sets += 1
    else this.report('stored', { key })
  }

  /** As `report('timed', …)`, without a payload where nobody listens. */
  timed(call: TimedCall, ms: number): void {
    if (!this.#isHeard('timed')) this.#measures.timed(call, ms)
    else this.report('timed', { call, ms })
  }

  /** As `report('sent', …)`, without a payload where nobody listens. */
  sent(statement: string, keys: number, ms: number, error?: CacheError): void {
    if (!this.#isHeard('sent')) this.#measures.sent(statement, keys, ms, error !== undefined)
    else this.report('sent', { statement, keys, ms, error })
  }

  /** Returns the function that ends the subscription. */
  on<E extends keyof CacheEvents>(event: E, listener: CacheListener<E>): () => void {
    checkOneOf(event, 'event', EVENTS)
    if (typeof listener !== 'function') throw invalid('listener', 'a function', listener)
    const added: Registration = { listener, hasFailed: false }
    this.#change(event, (registrations) => [...registrations, added])
    return () => this.#change(event, (registrations) => registrations.filter((other) => other !== added))
  }

  counters(): CacheCounters {
    return { ...this.#counters, hits: { ...this.#counters.hits } }
  }

  measures(): CacheMeasures {
    return this.#measures.toMeasures()
  }

  #isHeard(event: keyof CacheEvents): boolean {
    return this.#registrations[event] !== undefined || CHANNELS[event].hasSubscribers
  }

  #change(
    event: keyof CacheEvents,
    edit: (registrations: readonly Registration[]) => readonly Registration[],
  ): void {
    const edited = edit(this.#registrations[event] ?? [])
    this.#registrations[event] = edited.length === 0 ? undefined : edited
  }
}

function deliver(event: string, registration: Registration, payload: unknown): void {
  try {
    const returned: unknown = registration.listener(payload)
    if (returned instanceof Promise) returned.catch((cause: unknown) => warnOnce(event, registration, cause))
  } catch (cause) {
    warnOnce(event, registration, cause)
  }
}

// A listener must not break the call it hears of, nor the process: rethrowing later would end it as an uncaught
// exception. Once, because a broken listener for hits fails thousands of times a second.
function warnOnce(event: string, registration: Registration, cause: unknown): void {
  if (registration.hasFailed) return
  registration.hasFailed = true
  process.emitWarning(`A listener for '${event}' failed; it is still called, without further warnings`, {
    type: 'CacheWarning',
    code: 'POSTGRES_CACHE_LISTENER_FAILED',
    detail: inspect(cause),
  })
}

// A class, for a shape of its own. V8 keeps numbers in the way in which it has seen them in any object of one shape: beside hit rates, which are fractions,
// each count of a hit would be a new number on the heap.
class Hits implements Record<HitTier, number> {
  local = 0
  store = 0
  stale = 0
}

function createCounters(): CacheCounters {
  return {
    hits: new Hits(),
    misses: 0,
    loads: 0,
    loadFailures: 0,
    sets: 0,
    deletes: 0,
    invalidations: 0,
    evictions: 0,
    flushes: 0,
    hints: 0,
    syncs: 0,
    sessionsLost: 0,
    sessionsRestored: 0,
    swept: 0,
    circuitsOpened: 0,
    violations: 0,
    errors: 0,
  }
}
