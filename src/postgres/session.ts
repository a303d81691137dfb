// The one dedicated connection of a process: it hears notifications and holds advisory locks. Everything it says is a latency hint; losing it
// costs latency and lock efficiency, never correctness.
//
// States
//   idle        start() was not called yet.
//   connecting  a connection is being opened and tested: LISTEN, then a nonce. A pooler in transaction mode accepts LISTEN and delivers nothing,
//               but for what arrives while a statement of ours runs: behind a pooler another connection sends the nonce.
//   live        the nonce arrived. Statements run; notifications are handed on.
//   lost        the connection broke or a statement on it got no answer. Locks are gone with it. Tried again with back-off.
//   deaf        no nonce has ever arrived: notifications cannot work here. Final; the cache polls. Where one has, silence is a loss.
//   closed      final.

import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { type Hint, parseHint } from '../core/change.ts'
import { CacheError } from '../core/errors.ts'
import { quoteIdentifier } from '../core/identifier.ts'
import { cancelStatement, cutOff } from './cancel.ts'
import { type Request, type Row, type Statement, request, send } from './driver.ts'
import { sqlStateOf, StatementTimeout } from './failures.ts'
import { BACKEND, planOnceUnlessPooled } from './plans.ts'

export type SessionState = 'idle' | 'connecting' | 'live' | 'lost' | 'deaf' | 'closed'

export interface SessionListener {
  /** A notification for this cache. Nonces are kept back. */
  hinted(hint: Hint): void
  /** Live again after a loss of so many milliseconds. */
  restored(ms: number): void
  lost(error: Error): void
  /** Notifications cannot work here. */
  deafened(): void
}

export interface SessionOptions {
  readonly address: pg.ClientConfig
  readonly channel: string
  /** "schema.prefix", as in every payload. */
  readonly cacheAddress: string
  readonly timeoutMs: number
  readonly listener: SessionListener
  /** Notifies the channel over another connection. */
  readonly notify: (payload: string) => Promise<unknown>
  /** Whether the address is another than that of the pool: then it may lead to another database, where nothing of ours is heard. */
  readonly hasOwnAddress: boolean
}

// Tells a session from the connections of the pool in pg_stat_activity; a name in the connection string wins.
const APPLICATION_NAME = 'postgres-cache session'

const NONCE_TIMEOUT_MS = 1_000
const FIRST_BACKOFF_MS = 50
const MAX_BACKOFF_MS = 2_000

// A dead holder's locks must be free within 20 s, so the server has to notice a dead peer by itself.
const SERVER_KEEPALIVES = [
  'set tcp_keepalives_idle = 5',
  'set tcp_keepalives_interval = 3',
  'set tcp_keepalives_count = 3',
  'set tcp_user_timeout = 14000',
]
const CLIENT_KEEPALIVE_DELAY_MS = 5_000

/** pg has these; its types do not. */
type SessionClient = pg.Client & { readonly processID: number | null; ref(): void; unref(): void }

export class Session {
  readonly #options: SessionOptions
  #state: SessionState = 'idle'
  #client: SessionClient | undefined
  /** On its way to being the client. */
  #candidate: SessionClient | undefined
  #backoffMs = FIRST_BACKOFF_MS
  #retry: NodeJS.Timeout | undefined
  #lostAt = 0
  #isPooled = false
  #hasHeard = false
  #underWay = 0

  constructor(options: SessionOptions) {
    this.#options = options
  }

  get state(): SessionState {
    return this.#state
  }

  /** Whether a pooler stands between: it answers with process ids of its own making. */
  get isPooled(): boolean {
    return this.#isPooled
  }

  /** The first connection. Rejects when it cannot be opened, and goes on trying in the background. */
  async start(): Promise<SessionState> {
    try {
      await this.#open()
    } catch (error) {
      this.#lose(error)
      throw error
    }
    return this.#state
  }

  /** Statements are pipelined: those sent together run in order, each in a transaction of its own, in one round trip. */
  async query(statement: Statement, values: unknown[] = []): Promise<Row[]> {
    const client = this.#client
    if (client === undefined || this.#state !== 'live')
      throw new CacheError('unavailable', 'the session connection is lost')
    return this.#run(client, request(statement, values, true))
  }

  async close(): Promise<void> {
    this.#state = 'closed'
    clearTimeout(this.#retry)
    const open = [this.#client, this.#candidate].filter((client) => client !== undefined)
    this.#client = undefined
    await Promise.all(open.map((client) => endQuietly(client, this.#options.timeoutMs)))
  }

  async #open(): Promise<void> {
    this.#state = 'connecting'
    const { address, hasOwnAddress, channel, timeoutMs } = this.#options
    const client = new pg.Client({
      ...address,
      fallback_application_name: APPLICATION_NAME,
      pipeline: true,
      connectionTimeoutMillis: timeoutMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: CLIENT_KEEPALIVE_DELAY_MS,
    }) as SessionClient
    this.#candidate = client
    const broken: Error[] = []
    const breaks = (error: Error): void => {
      broken.push(error)
      if (this.#client === client) this.#lose(error)
    }
    client.on('error', breaks)
    client.on('end', () => breaks(new Error('the server ended the session connection')))
    try {
      await client.connect()
      const [[backend]] = await Promise.all([
        this.#run(client, request(BACKEND, [], false)),
        this.#run(client, { text: `listen ${quoteIdentifier(channel)}` }),
      ])
      const nonce = this.#listenForNonce(client)
      this.#isPooled = backend?.[0] !== String(client.processID)
      // Later it is the pool that may be left behind, on a server that is no longer the primary: who has heard before is believed.
      if (this.#isPooled || (hasOwnAddress && !this.#hasHeard)) await this.#options.notify(nonce.payload)
      else await this.#run(client, { text: 'select pg_notify($1, $2)', values: [channel, nonce.payload] })
      const hears = await nonce.arrives()
      const settings = [...SERVER_KEEPALIVES, planOnceUnlessPooled(client.processID)]
      if (hears) await Promise.all(settings.map((text) => this.#run(client, { text })))
      if (this.#state !== 'connecting') throw new Error('the session was closed')
      if (broken.length > 0) throw broken[0] as Error
      if (!hears) {
        if (this.#hasHeard) throw new Error('notifications do not arrive any more')
        this.#state = 'deaf'
        this.#options.listener.deafened()
        await endQuietly(client, timeoutMs)
        return
      }
      this.#hasHeard = true
      client.on('notification', ({ payload }) => this.#hear(payload ?? ''))
      this.#client = client
      this.#state = 'live'
      this.#backoffMs = FIRST_BACKOFF_MS
      // Waiting for notifications must not keep a script from ending; statements under way do.
      client.unref()
    } catch (error) {
      void endQuietly(client, timeoutMs)
      throw error
    } finally {
      this.#candidate = undefined
    }
  }

  /** `arrives`: to be asked once it was sent, however long that took. */
  #listenForNonce(client: pg.Client): { payload: string; arrives: () => Promise<boolean> } {
    const nonce = crypto.randomUUID()
    let hasArrived = false
    let hear = (): void => {}
    const arrived = new Promise<void>((resolve) => {
      hear = resolve
    })
    const listen = ({ payload }: pg.Notification): void => {
      const hint = parseHint(payload ?? '', this.#options.cacheAddress)
      if (hint?.kind !== 'nonce' || hint.nonce !== nonce) return
      hasArrived = true
      hear()
    }
    client.on('notification', listen)
    const arrives = async (): Promise<boolean> => {
      const given = new AbortController()
      // In an event loop that was blocked, the timer comes before what has arrived meanwhile.
      const silence = delay(NONCE_TIMEOUT_MS, undefined, { signal: given.signal }).then(() => nextTurn())
      try {
        await Promise.race([arrived, silence])
        return hasArrived
      } finally {
        given.abort()
        client.off('notification', listen)
      }
    }
    return { payload: JSON.stringify({ a: this.#options.cacheAddress, v: 1, n: nonce }), arrives }
  }

  #hear(payload: string): void {
    const hint = parseHint(payload, this.#options.cacheAddress)
    if (hint !== null && hint.kind !== 'nonce') this.#options.listener.hinted(hint)
  }

  async #run(client: SessionClient, query: Request): Promise<Row[]> {
    if (this.#underWay++ === 0) client.ref()
    try {
      return await send(client, query, this.#options.timeoutMs)
    } catch (error) {
      // Without a SQLSTATE the connection is at fault: half-open, or gone.
      if (sqlStateOf(error) === undefined && this.#client === client) this.#lose(error)
      throw error
    } finally {
      if (--this.#underWay === 0) client.unref()
    }
  }

  #lose(error: unknown): void {
    if (this.#state === 'closed' || this.#state === 'lost') return
    const wasLive = this.#state === 'live'
    const client = this.#client
    this.#client = undefined
    this.#state = 'lost'
    if (client !== undefined) void this.#end(client, error)
    if (wasLive || this.#lostAt === 0) {
      this.#lostAt = performance.now()
      this.#options.listener.lost(error instanceof Error ? error : new Error(String(error)))
    }
    this.#retryLater()
  }

  async #end(client: SessionClient, reason: unknown): Promise<void> {
    if (reason instanceof StatementTimeout) await cancelStatement(client)
    await endQuietly(client, this.#options.timeoutMs)
  }

  #retryLater(): void {
    // Jitter: all processes lose their sessions at the same moment when a server restarts.
    this.#retry = setTimeout(() => void this.#reopen(), this.#backoffMs * (0.5 + Math.random()))
    this.#retry.unref()
    this.#backoffMs = Math.min(this.#backoffMs * 2, MAX_BACKOFF_MS)
  }

  async #reopen(): Promise<void> {
    try {
      await this.#open()
    } catch {
      if (this.state === 'closed') return
      this.#state = 'lost'
      this.#retryLater()
      return
    }
    if (this.state === 'live') {
      const ms = performance.now() - this.#lostAt
      this.#lostAt = 0
      this.#options.listener.restored(ms)
    }
  }
}

// end() on a half-open connection waits for an answer that never comes.
async function endQuietly(client: pg.Client, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  client.on('error', () => {})
  await Promise.race([client.end().catch(() => {}), patience])
  clearTimeout(timer)
  // What hangs behind a pooler would keep its place there, and each further attempt take one more.
  cutOff(client)
}
