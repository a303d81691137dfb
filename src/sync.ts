// Keeps the local cache up to date: reads the feed from a cursor, renews the lease, and finds out in which world we are. Lazy: an unused
// cache asks nothing. Hints only make it ask sooner.

import { type Hint, USUAL_SHUT_MS } from './core/change.ts'
import type { Clock } from './core/clock.ts'
import { CacheError, isCacheError } from './core/errors.ts'
import { hasEnded } from './core/snapshot.ts'
import type { Reporter } from './events.ts'
import type { Gate } from './gate.ts'
import type { Background, Cancel } from './memory/background.ts'
import type { Targets } from './memory/bypass.ts'
import type { LocalView } from './memory/coherence.ts'
import { SyncPace } from './memory/sync-pace.ts'
import type { Feed, FeedReply } from './postgres/feed.ts'

// After the gate for hints has opened again: what it left out is committed by then.
const TRAILING_MS = 5
// A lease is renewed when this share of it is left, so that a slow sync does not let it lapse.
const RENEW_AT = 0.5
// A caller's transaction is looked for this long after it touched something, then twice as long, and so on.
const CHASE_MS = 50

export interface SyncOptions {
  readonly maxStalenessMs: number
  readonly clock: Clock
  readonly gate: Gate
  readonly reporter: Reporter
  readonly background: Background
  readonly local: LocalView
  readonly feed: Feed
  /** From now on statements go over new connections. */
  readonly retireConnections: () => void
  /** A hint has come in a storm, and the sync that follows it will tell of more. */
  readonly expectsMoreNews: () => void
  readonly tookNewsIn: () => void
}

export class Sync {
  readonly #options: SyncOptions
  #cursor: string | null = null
  #world: string | null = null
  /** The last that was known. */
  #lastWorld: string | null = null
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined
  #trailing: Cancel | undefined
  #trailingAt = 0
  /** When the gate has opened again after the last hint. */
  #trailsAt = 0
  /** Whether all hints since the last sync named what has changed, which was evicted: then the server's load decides about the next. */
  #mayRest = true
  #sentAt: number | null = null
  readonly #pace = new SyncPace()
  /** Ids of transactions. */
  readonly #followed = new Set<string>()
  #chasing = false
  #hasRetired = false
  /** That there is no world. */
  #toldAt = -Infinity

  constructor(options: SyncOptions) {
    this.#options = options
  }

  /** What the tables hold, as far as is known. Writes name it; null: unknown or in recovery. */
  get world(): string | null {
    return this.#world
  }

  /** Since the last one that was answered was sent; null: none was. */
  get ageMs(): number | null {
    return this.#sentAt === null ? null : this.#options.clock.monotonic() - this.#sentAt
  }

  start(): void {
    const { background, local, gate } = this.#options
    if (!Number.isFinite(local.checkPeriodMs)) return
    background.every(local.checkPeriodMs, () => {
      local.check()
      const isDue = local.wantsSync && this.#leaseLeft() < this.#options.maxStalenessMs * RENEW_AT
      return isDue && gate.admits ? this.#renew() : undefined
    })
  }

  /** Everything committed before the call is known afterwards: a sync that is already under way does not count. */
  run(): Promise<void> {
    if (this.#running === undefined) {
      this.#running = this.#readFeed().finally(() => {
        this.#running = undefined
      })
      return this.#running
    }
    this.#next ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#next = undefined
        return this.run()
      })
    return this.#next
  }

  /** After run(), nobody shares an answer that was asked for before: the feed does not tell of what replaced nothing. */
  async barrier(): Promise<void> {
    await this.run()
    this.#options.local.detachAll()
  }

  /** Asks where a read finds no lease, after idling, or no world. */
  wake(): void {
    if (this.#world !== null && this.#leaseLeft() > 0) return
    if (this.#running !== undefined || !this.#options.gate.admits) return
    void this.#options.background.run(() => this.#renew())
  }

  /** A reply came from another world than the last sync. One that is under way may go over a connection that was left behind. */
  worldChanged(): void {
    this.#retireConnections()
    if (this.#next === undefined) void this.#options.background.run(() => this.#renew())
  }

  /** As worldChanged; afterwards it is known which of the two is ours. */
  async chooseWorld(): Promise<void> {
    this.#retireConnections()
    await this.run()
  }

  /** What a caller's transaction has touched goes past the local cache until a sync sees that it has ended. */
  follow(txid: string, targets: Targets): void {
    this.#followed.add(txid)
    this.#options.local.bypass(txid, targets)
    this.#chase(CHASE_MS)
  }

  hinted(hint: Hint): void {
    const { local, clock, expectsMoreNews } = this.#options
    if (hint.kind !== 'change' && hint.kind !== 'sync' && hint.kind !== 'unknown') return
    const shutMs = hint.kind === 'unknown' ? USUAL_SHUT_MS : hint.shutMs
    const isStorm = shutMs > USUAL_SHUT_MS
    if (isStorm) expectsMoreNews()
    if (hint.kind === 'change') local.apply(hint.change)
    // Where writes queue, whoever listens would ask at one moment, and the writes wait behind all of them.
    const apartMs = isStorm ? Math.random() * shutMs : 0
    const waitMs = shutMs + TRAILING_MS + apartMs
    this.#trailsAt = clock.monotonic() + waitMs
    this.#mayRest &&= hint.kind === 'change'
    this.#trailIn(waitMs)
  }

  // What the gate left out after the last hint is seen by a sync that begins when it has opened again. Later hints do not put it off.
  #trailIn(ms: number): void {
    const { background, clock } = this.#options
    const now = clock.monotonic()
    const waitMs = this.#mayRest ? Math.max(ms, this.#pace.restMs(now)) : ms
    if (this.#trailing !== undefined && this.#trailingAt <= now + waitMs) return
    this.#trailing?.()
    this.#trailingAt = now + waitMs
    this.#trailing = background.once(waitMs, () => this.#trail())
  }

  #trail(): Promise<void> | undefined {
    const { local, clock } = this.#options
    this.#trailing = undefined
    const isInUse = local.wantsSync || (local.isInUse && local.size > 0)
    const renewed = isInUse ? this.#renew() : undefined
    const leftMs = this.#trailsAt - clock.monotonic()
    if (leftMs >= 1) this.#trailIn(leftMs)
    if (renewed !== undefined) return renewed
    // Nobody has asked for long: whoever does next finds no lease, and asks the store, instead of all that was left out being taken in for nobody.
    if (!local.isInUse) local.lapse()
    this.#options.tookNewsIn()
    return undefined
  }

  /** A reply or a refused write showed another world than the last sync. */
  async resettle(): Promise<string> {
    await this.chooseWorld()
    if (this.#world !== null) return this.#world
    throw noWorld()
  }

  async #readFeed(): Promise<void> {
    const { gate, local, reporter, clock } = this.#options
    const started = clock.monotonic()
    try {
      this.#pace.begin(started)
      this.#mayRest = true
      const sentAt = local.beginSync()
      let reply = await gate.pass('sync', () => this.#ask())
      if (this.#world !== null && reply.world !== this.#world) {
        this.#retireConnections()
        reply = await gate.pass('sync', () => this.#ask())
      }
      this.#sentAt = started
      this.#hasRetired = false
      const finished = this.#takeFinished(reply)
      this.#cursor = reply.cursor
      this.#world = reply.world
      this.#lastWorld = reply.world ?? this.#lastWorld
      local.synced({
        sentAt,
        world: reply.world,
        cursor: reply.complete ? 'continued' : 'gap',
        changes: reply.changes,
        databaseNow: reply.databaseNow,
        finished,
      })
      if (reply.world === null) this.#tellThereIsNone(started)
      reporter.report('synced', {
        ms: clock.monotonic() - started,
        changes: reply.changes.length,
      })
    } catch (error) {
      if (isCacheError(error, 'read-only')) {
        this.#world = null
        local.lapse()
      }
      throw error
    } finally {
      this.#pace.end(clock.monotonic())
      this.#options.tookNewsIn()
    }
  }

  // Else everything would miss, and nobody would say why. Each read asks for a sync meanwhile.
  #tellThereIsNone(now: number): void {
    const { reporter, maxStalenessMs } = this.#options
    if (now < this.#toldAt + maxStalenessMs) return
    this.#toldAt = now
    reporter.report('error', { error: noWorld(), operation: 'sync' })
  }

  // Two worlds: a failover, say, has left a connection behind, and nobody knows yet which one that is. Once for each sync: what is opened from now
  // on leads to where the address does.
  #retireConnections(): void {
    if (this.#world === null || this.#hasRetired) return
    this.#hasRetired = true
    this.#options.retireConnections()
  }

  async #ask(): Promise<FeedReply> {
    const { feed } = this.#options
    const reply = await feed.read(this.#cursor)
    if (reply.world !== null) return reply
    await feed.settleWorld()
    return feed.read(this.#cursor)
  }

  // Nobody waits for a renewal: a failure shows as a lapsed lease, an event, and the next attempt.
  async #renew(): Promise<void> {
    try {
      await this.run()
    } catch (error) {
      if (isCacheError(error) && !this.#options.background.closed)
        this.#options.reporter.report('error', { error, operation: 'sync' })
    }
  }

  // Nobody tells us when a caller commits: asked for, less and less often.
  #chase(ms: number): void {
    if (this.#chasing || this.#followed.size === 0) return
    this.#chasing = true
    this.#options.background.once(ms, async () => {
      await this.#renew()
      this.#chasing = false
      this.#chase(Math.min(ms * 2, this.#options.maxStalenessMs * RENEW_AT))
    })
  }

  #takeFinished({ cursor, world }: FeedReply): string[] {
    // The ids of another world say nothing; its entries are gone. No world, in recovery, is not another one.
    const isOther = world !== null && this.#lastWorld !== null && world !== this.#lastWorld
    const finished = [...this.#followed].filter((txid) => isOther || hasEnded(txid, cursor))
    for (const txid of finished) this.#followed.delete(txid)
    return finished
  }

  #leaseLeft(): number {
    return this.#options.local.leaseEnd - this.#options.clock.wall()
  }
}

function noWorld(): CacheError {
  return new CacheError(
    'read-only',
    'the server is in recovery, or a prepared transaction keeps a new world from beginning: connect to the primary, or end what pg_prepared_xacts lists',
  )
}
