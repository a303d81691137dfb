// From nothing to ready: schema, world, session, housekeeping. Implicit on first use, explicit to fail fast.

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { CacheStats } from './contract.ts'
import { CacheError, type CacheErrorCode, closedError, isCacheError } from './core/errors.ts'
import type { Reporter } from './events.ts'
import type { Gate } from './gate.ts'
import type { Background } from './memory/background.ts'
import { checkSessionAddress, type ResolvedOptions } from './options.ts'
import { AdvisoryLocks } from './postgres/advisory-locks.ts'
import type { Driver } from './postgres/driver.ts'
import { toCacheError } from './postgres/failures.ts'
import { LeaseLocks } from './postgres/lease-locks.ts'
import type { LoadLocks } from './postgres/locks.ts'
import { checkSchema, checkSettings, inspectServer, migrate } from './postgres/migrate.ts'
import type { Names } from './postgres/names.ts'
import { type ManagedPool, sessionAddress } from './postgres/pool.ts'
import { Session } from './postgres/session.ts'
import type { Statements } from './postgres/statements.ts'
import type { Store } from './postgres/store.ts'
import { Sweeper } from './postgres/sweeper.ts'
import type { Sync } from './sync.ts'

export interface ConnectionOptions {
  readonly options: ResolvedOptions
  readonly names: Names
  readonly statements: Statements
  readonly pool: ManagedPool
  readonly driver: Driver
  readonly store: Store
  readonly gate: Gate
  readonly sync: Sync
  readonly reporter: Reporter
  readonly background: Background
}

// The server is gone, not the set-up: reads go on without the cache.
const PASSING: ReadonlySet<CacheErrorCode> = new Set([
  'unavailable',
  'timeout',
  'too-many-connections',
  'query-failed',
  'read-only',
  'locked',
])

const DEAF =
  'notifications do not arrive over this connection, as through a pooler in transaction mode, or from another database: polling instead. ' +
  'Set `sessionConnectionString` to a direct address of the same database to have them'

const NOTIFY = { name: '', text: 'select pg_notify($1, $2)' }

export class Connection {
  readonly #parts: ConnectionOptions
  readonly #leaseLocks: LeaseLocks
  readonly #advisoryLocks: AdvisoryLocks | undefined
  readonly #session: Session | undefined
  readonly #sweeper: Sweeper
  #connecting: Promise<void> | undefined
  #isReady = false
  #isClosed = false
  #sessionFailure: CacheError | undefined

  constructor(parts: ConnectionOptions) {
    const { options, names, statements, pool, driver, store, reporter } = parts
    this.#parts = parts
    this.#leaseLocks = new LeaseLocks(driver, statements, store, options.loadTimeoutMs)
    this.#sweeper = new Sweeper(driver, statements, options)
    if (options.notifications === 'poll') return
    checkSessionAddress(options)
    this.#session = new Session({
      ...sessionAddress(pool, options.sessionConnectionString),
      channel: options.notifyChannel,
      cacheAddress: names.address,
      timeoutMs: options.queryTimeoutMs,
      notify: (payload) => driver.query(NOTIFY, [options.notifyChannel, payload]),
      listener: {
        hinted: (hint) => {
          reporter.report('hint-received', { kind: hint.kind })
          if (hint.kind === 'signal') this.#advisoryLocks?.wake(hint.hashes)
          else parts.sync.hinted(hint)
        },
        restored: (ms) => {
          this.#sessionFailure = undefined
          reporter.report('session-restored', { ms })
          // What was missed meanwhile is in the feed.
          parts.sync.hinted({ kind: 'sync', shutMs: 0 })
          void parts.background.run(() => this.#compareWorlds())
        },
        lost: (error) => {
          this.#sessionFailure = toCacheError(error, 'session')
          reporter.report('session-lost', { error: this.#sessionFailure })
        },
        deafened: () => reporter.report('degraded', { reason: DEAF }),
      },
    })
    this.#advisoryLocks = new AdvisoryLocks(this.#session, names, options.notifyChannel, statements.read)
  }

  get isReady(): boolean {
    return this.#isReady
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get session(): CacheStats['session'] {
    const state = this.#session?.state ?? 'idle'
    if (state === 'live' || state === 'deaf') return state
    return state === 'idle' || state === 'closed' || !this.#isReady ? 'none' : 'lost'
  }

  get locks(): LoadLocks {
    return this.#advisoryLocks === undefined || this.#session?.state === 'deaf'
      ? this.#leaseLocks
      : this.#advisoryLocks
  }

  /** Resolves once statements can be sent. A failure is tried again by the next call. */
  async ready(): Promise<void> {
    if (this.#isClosed) throw closedError()
    if (this.#isReady) return
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined
    })
    await this.#connecting
  }

  /** As ready, and what will pass is an event: a load goes on without the store. */
  async readyIfPossible(): Promise<void> {
    try {
      await this.ready()
    } catch (error) {
      if (!Connection.isPassing(error)) throw error
      this.#parts.reporter.report('error', { error, operation: 'connect' })
    }
  }

  /** As ready, and rejects when the session cannot be had, either. */
  async connect(): Promise<void> {
    await this.ready()
    if (this.#session?.state === 'lost' && this.#sessionFailure !== undefined) throw this.#sessionFailure
  }

  /** Whether a failure to get ready is the server's and will pass, or the set-up's and must be shown to every caller. */
  static isPassing(error: unknown): error is CacheError {
    return isCacheError(error) && PASSING.has(error.code)
  }

  migrate(): Promise<number> {
    const { driver, names, options } = this.#parts
    return migrate(driver, names, options)
  }

  prune(): Promise<number> {
    return this.#parts.gate.pass('prune', () => this.#sweeper.prune())
  }

  /** From now on calls are refused. Resolves when those that waited to be connected are on their way. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#isReady = false
    if (this.#connecting === undefined) return
    await this.#connecting.catch(() => {})
    await nextTurn()
  }

  /** The last step of closing: nothing is under way any more. */
  async disconnect(): Promise<void> {
    await this.#session?.close()
    this.#parts.driver.close()
    await this.#parts.pool.close()
  }

  async #connect(): Promise<void> {
    const { gate, driver, names, options, sync } = this.#parts
    const state = await gate.pass('connect', () => inspectServer(driver, names))
    if (!state.readCommitted) driver.useExplicitIsolation()
    if (checkSchema(state, names, options.migrate ? 'by-itself' : 'switched-off')) {
      if (state.inRecovery)
        throw new CacheError('read-only', 'the server is a standby: connect to the primary')
      await migrate(driver, names, options)
    }
    await gate.pass('connect', () => checkSettings(driver, names, options))
    await sync.run()
    await this.#startSession()
    // Who has waited is still served, but nothing begins any more.
    if (this.#isClosed) return
    this.#isReady = true
    sync.start()
    this.#sweeper.postpone()
    this.#sweepWhenDue()
  }

  // A failover may have moved the session and nothing else.
  async #compareWorlds(): Promise<void> {
    const { statements, sync } = this.#parts
    const [row] = (await this.#session?.query(statements.world).catch(() => [])) ?? []
    if (row?.[0] != null && row[0] !== sync.world) sync.worldChanged()
  }

  // Without a session the cache works, a little later and with more loads: it is tried again in the background.
  async #startSession(): Promise<void> {
    if (this.#session === undefined || this.#session.state !== 'idle') return
    await this.#session.start().catch(() => {})
  }

  #sweepWhenDue(): void {
    const { background, gate, reporter } = this.#parts
    background.once(this.#sweeper.dueInMs, async () => {
      try {
        const swept = await gate.pass('sweep', () => this.#sweeper.work(() => background.closed))
        if (swept !== null) reporter.report('swept', swept)
      } catch (error) {
        this.#sweeper.postpone()
        if (isCacheError(error)) reporter.report('error', { error, operation: 'sweep' })
      }
      this.#sweepWhenDue()
    })
  }
}
