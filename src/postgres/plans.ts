// PostgreSQL plans a prepared statement anew each of the first five times that it is run over a connection, and then once more for good. For ours the
// plan is the same each time: what it depends on was kept out of the planner's sight (statements.ts). A read is planned in 0.7 to 1.5 ms and run in 0.05, so
// that a service which has just started, and each connection that its pool adds, was slow in what it did first.

import type pg from 'pg'
import { request, type Statement, send } from './driver.ts'
import { isConnectionFailure } from './failures.ts'

// A plan for any parameters looks dear where tables are large, as if compiling it were worth it; each statement would be compiled anew.
const SETTINGS = { plan_cache_mode: 'force_generic_plan', jit: 'off' }

/** Through a pooler it is not the process id that the client was told. */
export const BACKEND: Statement = { name: '', text: 'select pg_backend_pid()' }

/** Asks by itself, because what an address leads to may change. Null: the server did not say. */
export const planOnceUnlessPooled = (processId: number | null): string => {
  const set = Object.entries(SETTINGS).map(([name, value]) => `set_config('${name}', '${value}', false)`)
  return `select ${set.join(', ')} where pg_backend_pid() = ${processId}`
}

/** For the connections of a pool. */
export class PlansOnce {
  readonly #timeoutMs: number
  readonly #told = new WeakSet<pg.ClientBase>()
  /**
   * A pooler answers with process ids of its own making. Behind one nothing is set, because it would stay for whoever is given the connection next, and
   * nothing is asked again, because some look into statements for settings. Undefined: nobody has asked.
   */
  #isPooled: boolean | undefined

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  /** Tells a connection once. Rejects where it is of no use. */
  async tell(client: pg.ClientBase): Promise<void> {
    const { processID } = client as pg.ClientBase & { readonly processID: number | null }
    if (this.#isPooled === true || processID === null || this.#told.has(client)) return
    this.#told.add(client)
    try {
      if (this.#isPooled === undefined) {
        const [row] = await send(client, request(BACKEND, [], false), this.#timeoutMs)
        this.#isPooled = row?.[0] !== String(processID)
      }
      if (!this.#isPooled) await send(client, { text: planOnceUnlessPooled(processID) }, this.#timeoutMs)
    } catch (error) {
      if (isConnectionFailure(error)) throw error
    }
  }
}
