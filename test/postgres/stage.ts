// Plays schedules on real connections, many side by side with a key and two connections each, and looks for a valid entry that differs from its
// source row after every step: whoever took a snapshot at that moment would see it, however late.

import { Client } from 'pg'
import { createDatabase, type TestDatabase } from '../database.ts'
import { describeSchedule, type Schedule, type Step } from './schedules.ts'

/** What the actors of one schedule work with. The source row begins with the value '1'. */
export interface Scene {
  readonly key: string
  readonly writer: Client
  readonly reader: Client
  /** On a connection of the stage's own, for shared steps. */
  readonly query: TestDatabase['query']
  /** What the actors have seen, by names of their own. */
  readonly seen: Map<string, string>
}

interface Act {
  readonly schedule: Schedule<Scene>
  readonly scene: Scene
  done: number
}

interface Wrong {
  readonly key: string
  readonly cached: string
  readonly source: string
}

export interface StageOptions {
  /** Changes the fresh schema. */
  readonly prepare?: (database: TestDatabase) => Promise<void>
  /** Runs before each group of schedules, for its keys. @default nothing */
  readonly begin?: (database: TestDatabase, keys: readonly string[]) => Promise<void>
}

// Two connections each must fit into a server's default of 100.
const SIDE_BY_SIDE = 40

export class Stage implements AsyncDisposable {
  readonly database: TestDatabase
  readonly #clients: readonly Client[]
  readonly #begin: NonNullable<StageOptions['begin']>
  #keys = 0
  #compared = 0

  private constructor(database: TestDatabase, clients: readonly Client[], begin: StageOptions['begin']) {
    this.database = database
    this.#clients = clients
    this.#begin = begin ?? (async () => {})
  }

  static async open({ prepare, begin }: StageOptions = {}): Promise<Stage> {
    const database = await createDatabase()
    await database.install()
    await database.query('select postgres_cache.settle_world()')
    await database.query('create table source (key text primary key, value text not null)')
    // A wait that ends in a refusal is as good when it is short.
    await database.query(
      `alter function postgres_cache.set_in_transaction(pg_snapshot, text, text, bytea, text, text[], float8, float8)
       set lock_timeout = '5ms'`,
    )
    await prepare?.(database)
    const clients = Array.from({ length: SIDE_BY_SIDE * 2 }, () => new Client(database.url))
    await Promise.all(clients.map((client) => client.connect()))
    return new Stage(database, clients, begin)
  }

  /** How many valid entries were compared with their source rows so far. */
  get compared(): number {
    return this.#compared
  }

  /** Plays until a schedule goes wrong, and resolves to what went wrong where. */
  async findViolation(
    schedules: readonly Schedule<Scene>[],
    sideBySide: number = SIDE_BY_SIDE,
  ): Promise<string | undefined> {
    for (let i = 0; i < schedules.length; i += sideBySide) {
      const violation = await this.#play(schedules.slice(i, i + sideBySide))
      if (violation !== undefined) return violation
    }
    return undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.end()))
    await this.database.drop()
  }

  async #play(schedules: readonly Schedule<Scene>[]): Promise<string | undefined> {
    const acts: Act[] = schedules.map((schedule, i) => ({ schedule, scene: this.#createScene(i), done: 0 }))
    await this.#reset(acts.map(({ scene }) => scene.key))
    let violation: string | undefined
    for (;;) {
      const unfinished = acts.filter(({ schedule, done }) => done < schedule.length)
      if (unfinished.length === 0) return violation
      const ready = unfinished.filter(({ schedule, done }) => schedule[done]?.shared !== true)
      if (ready.length > 0) {
        await Promise.all(
          ready.map(({ schedule, scene, done }) => (schedule[done] as Step<Scene>).run(scene)),
        )
        for (const act of ready) act.done++
      } else {
        // Everyone has come to the same shared step.
        const [{ schedule, scene, done }] = unfinished as [Act]
        await (schedule[done] as Step<Scene>).run(scene)
        for (const act of unfinished) act.done++
      }
      const wrong = await this.#findWrong()
      const act = acts.find(({ scene }) => scene.key === wrong?.key)
      if (wrong && act)
        violation ??= `cached ${wrong.cached}, source ${wrong.source} after step ${act.done} of: ${describeSchedule(act.schedule)}`
    }
  }

  #createScene(i: number): Scene {
    return {
      key: `key ${String(++this.#keys).padStart(6, '0')}`,
      writer: this.#clients[2 * i] as Client,
      reader: this.#clients[2 * i + 1] as Client,
      query: this.database.query,
      seen: new Map(),
    }
  }

  async #reset(keys: readonly string[]): Promise<void> {
    const { query } = this.database
    // Truncating would take most of the time. Rows that are removed leave invalidations behind, so entries go first.
    for (const table of ['entries', 'invalidations', 'prefix_invalidations', 'feed']) {
      await query(`delete from postgres_cache.${table}`)
    }
    await query('delete from source')
    await query(`insert into source select k, '1' from unnest($1::text[]) as k`, [keys])
    await this.#begin(this.database, keys)
  }

  async #findWrong(): Promise<Wrong | null> {
    const { rows } = await this.database.admin.query<{ compared: number; wrong: Wrong | null }>({
      name: 'find wrong', // planned once, not thousands of times
      text: `select count(*)::integer as compared,
         (array_agg(json_build_object('key', key, 'cached', e.value, 'source', s.value)) filter (where e.value <> s.value))[1] as wrong
       from postgres_cache.valid_entries as e join source as s using (key)`,
    })
    this.#compared += rows[0]?.compared ?? 0
    return rows[0]?.wrong ?? null
  }
}
