// PostgreSQL plans a prepared statement anew each of the first five times that it is run over a connection, and then once more for good. For ours the
// plan is the same each time: what it depends on was kept out of the planner's sight (statements.ts). A read is planned in 0.7 to 1.5 ms and run in 0.05, so
// that a service which has just started, and each connection that its pool adds, was slow in what it did first.

import type pg from 'pg'
import { send } from './driver.ts'
import { sqlStateOf } from './failures.ts'

/** For a connection of our own that no pooler shares out. */
export const PLAN_ONCE = 'set plan_cache_mode = force_generic_plan'

/** A pooler answers with process ids of its own making: behind one nothing is set, because it would stay for whoever is given the connection next. */
const planOnceUnlessPooled = (processId: number): string =>
  `select set_config('plan_cache_mode', 'force_generic_plan', false) where pg_backend_pid() = ${processId}`

/** Rejects where the connection is of no use. */
export async function planOnce(client: pg.ClientBase, timeoutMs: number): Promise<void> {
  const { processID } = client as pg.ClientBase & { readonly processID: number | null }
  if (processID === null) return
  try {
    await send(client, { text: planOnceUnlessPooled(processID) }, timeoutMs)
  } catch (error) {
    if (sqlStateOf(error) === undefined) throw error
  }
}
