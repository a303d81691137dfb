// Moves both fences and the clock hand all the time. The minutes that the sweep waits before it removes anything are cut short; they stay far longer
// than any statement, which is all that they are for.

import type { Client, QueryResultRow } from 'pg'
import { connect, connected, reconnected } from '../connected.ts'
import type { Assignment } from '../crew.ts'
import type { Work } from '../member.ts'
import { codeOf, isPassing } from '../outages.ts'
import { pause } from '../pause.ts'
import { Random } from '../random.ts'

const EVERY_MS = 80
const SHORTENED: readonly { readonly name: string; readonly text: string; readonly by: string }[] = [
  { name: 'begin_sweep', text: `interval '1 minute'`, by: `interval '1 second'` },
  { name: 'sweep_blocks', text: `interval '1 minute'`, by: `interval '300 milliseconds'` },
  { name: 'remove_swept', text: `interval '1 minute'`, by: `interval '300 milliseconds'` },
  { name: 'set_in_transaction', text: `interval '30 seconds'`, by: `interval '500 milliseconds'` },
]
// At times nearly every load is older than a fence when it fills, at times hardly any. Without trims the load fence is on its own.
const PHASES: readonly [Phase, ...Phase[]] = [
  { loadTimeoutMs: 80, trims: true },
  { loadTimeoutMs: 80, trims: false },
  { loadTimeoutMs: 2_000, trims: true },
]
const TURNS_PER_PHASE = 100
// Of statements, where sweepers are killed.
const KILLED = 0.2
const FEED_KEPT_MS = 5_000
const MAX_INVALIDATIONS = 100
const BLOCKS = 64
const ROWS = 200

interface Phase {
  readonly loadTimeoutMs: number
  readonly trims: boolean
}

export async function startSweep({ plan, url, index }: Assignment): Promise<Work> {
  const random = new Random(`${plan.seed} sweep ${index}`)
  const stopping = new AbortController()
  const sweeper = new Sweeper(
    url,
    { random, isKilled: plan.sweepers > 1, outlives: plan.soak },
    stopping.signal,
  )
  await sweeper.connect()
  if (index === 0) await shortenAll(url)
  let turns = 0
  let [phase] = PHASES
  const finished = (async () => {
    while (!stopping.signal.aborted) {
      if (turns++ % TURNS_PER_PHASE === 0) phase = random.pick(PHASES)
      await turn(sweeper, phase)
      await pause(EVERY_MS)
    }
  })()
  return {
    get progress() {
      return { operations: turns, compared: 0, violations: 0 }
    },
    finished,
    stop: async () => {
      stopping.abort()
      await finished
      await sweeper.end()
    },
  }
}

interface SweeperOptions {
  readonly random: Random
  /** Under a part of its statements. */
  readonly isKilled: boolean
  /** It goes on when the server is back. */
  readonly outlives: boolean
}

/** A connection that sweeps, and may be killed under any of its statements. */
class Sweeper {
  readonly #url: string
  readonly #options: SweeperOptions
  readonly #stopping: AbortSignal
  #client: Client | undefined

  constructor(url: string, options: SweeperOptions, stopping: AbortSignal) {
    this.#url = url
    this.#options = options
    this.#stopping = stopping
  }

  async connect(): Promise<void> {
    this.#client = await connect(this.#url, 'harness sweep')
  }

  /** Null: it was killed, before the statement was done or after. */
  async query<R extends QueryResultRow>(text: string, values: unknown[] = []): Promise<R[] | null> {
    const { random, isKilled, outlives } = this.#options
    try {
      if (isKilled && random.chance(KILLED)) return await this.#killedUnder(text, values)
      return (await (this.#client as Client).query<R>(text, values)).rows
    } catch (error) {
      if (!outlives || !isPassing(codeOf(error))) throw error
      await this.end()
      this.#client = await reconnected(() => connect(this.#url, 'harness sweep'), this.#stopping)
      return null
    }
  }

  async end(): Promise<void> {
    await this.#client?.end().catch(() => {})
  }

  async #killedUnder(text: string, values: unknown[]): Promise<null> {
    const client = this.#client as Client
    const pid = (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid
    const cut = client.query(text, values).catch(() => {})
    await connected(this.#url, (executioner) => executioner.query('select pg_terminate_backend($1)', [pid]))
    await cut
    await this.connect()
    return null
  }
}

/** Ends early where the sweeper is killed. */
async function turn(sweeper: Sweeper, { loadTimeoutMs, trims }: Phase): Promise<void> {
  const begun = await sweeper.query('select postgres_cache.begin_sweep(0, $1, $2)', [
    loadTimeoutMs,
    FEED_KEPT_MS,
  ])
  if (begun === null) return
  if (trims) await sweeper.query('select postgres_cache.begin_trim($1)', [MAX_INVALIDATIONS])
  for (let hasWrapped = false; !hasWrapped;) {
    const rows = await sweeper.query<{ wrapped: boolean }>(
      'select wrapped from postgres_cache.sweep_blocks($1, $2)',
      [BLOCKS, ROWS],
    )
    if (rows === null) return
    hasWrapped = rows[0]?.wrapped === true
  }
  await sweeper.query('select postgres_cache.end_trim($1)', [loadTimeoutMs])
  for (let from: string | null = '0'; from !== null;) {
    const rows: { next: string | null }[] | null = await sweeper.query(
      'select postgres_cache.forget_changes($1, $2) as next',
      [from, ROWS],
    )
    from = rows?.[0]?.next ?? null
  }
  await sweeper.query('select postgres_cache.forget_invalidations($1)', [ROWS])
}

async function shortenAll(url: string): Promise<void> {
  await connected(url, async (client) => {
    for (const each of SHORTENED) await shorten(client, each)
  })
}

async function shorten(client: Client, { name, text, by }: (typeof SHORTENED)[number]): Promise<void> {
  const { rows } = await client.query<{ definition: string }>(
    `select pg_get_functiondef('postgres_cache.${name}'::regproc) as definition`,
  )
  const definition = rows[0]?.definition ?? ''
  if (!definition.includes(text)) throw new Error(`${name} does not wait for ${text}`)
  await client.query(definition.replaceAll(text, by))
}
