// Looks at everything that a cache here depends on, as a client with these options would meet it. Nothing is changed.

import { CacheError, isCacheError } from './core/errors.ts'
import type { CacheOptions } from './options.ts'
import type { Driver } from './postgres/driver.ts'
import { toCacheError } from './postgres/failures.ts'
import { checkSchema, inspectServer } from './postgres/migrate.ts'
import type { Names } from './postgres/names.ts'
import { sessionAddress } from './postgres/pool.ts'
import { Session } from './postgres/session.ts'
import { readStatus, type StoreStatus } from './postgres/status.ts'
import { readClock, readSurroundings, type Surroundings } from './postgres/surroundings.ts'
import { type SchemaAccess, withSchema } from './schema.ts'

export type { StoreStatus } from './postgres/status.ts'
export type { Surroundings } from './postgres/surroundings.ts'

const ROUND_TRIPS = 3

/** Between the session connection and the server. */
export type SessionPath = 'direct' | 'pooled' | 'swallowed'

export interface Examination {
  readonly surroundings: Surroundings
  readonly roundTripMs: number
  /** How far the database's clock is ahead of ours, to half a round trip. */
  readonly clockAheadMs: number
  /** Or why there is none. */
  readonly session: SessionPath | CacheError
  /** Or why it cannot be used. */
  readonly store: StoreStatus | CacheError
  /** What these options mean. */
  readonly names: Pick<Names, 'schema' | 'prefix'>
}

export function examine(options: CacheOptions): Promise<Examination> {
  return withSchema('doctor', options, async (access) => {
    const { driver, names } = access
    const surroundings = await readSurroundings(driver, names)
    return {
      surroundings,
      ...(await timeRoundTrip(driver)),
      session: surroundings.inRecovery
        ? new CacheError('read-only', 'a standby has no notifications')
        : await trySession(access),
      store: await readStore(access),
      names,
    }
  })
}

/** The best of a few, on the connection that is open already: the others have met something on their way. */
async function timeRoundTrip(driver: Driver): Promise<Pick<Examination, 'roundTripMs' | 'clockAheadMs'>> {
  let best = { roundTripMs: Infinity, clockAheadMs: 0 }
  for (let i = 0; i < ROUND_TRIPS; i++) {
    const sentAt = Date.now()
    const began = performance.now()
    const now = await readClock(driver)
    const roundTripMs = performance.now() - began
    if (roundTripMs < best.roundTripMs) best = { roundTripMs, clockAheadMs: now - sentAt - roundTripMs / 2 }
  }
  return best
}

async function readStore({ driver, names }: SchemaAccess): Promise<StoreStatus | CacheError> {
  try {
    const state = await inspectServer(driver, names)
    checkSchema(state, names, 'elsewhere')
    return await readStatus(driver, names)
  } catch (error) {
    return isCacheError(error) ? error : toCacheError(error, 'status')
  }
}

async function trySession({ driver, names, options, pool }: SchemaAccess): Promise<SessionPath | CacheError> {
  const { sessionConnectionString, notifyChannel, queryTimeoutMs } = options
  const session = new Session({
    ...sessionAddress(pool, sessionConnectionString),
    channel: notifyChannel,
    cacheAddress: names.address,
    timeoutMs: queryTimeoutMs,
    notify: (payload) =>
      driver.query({ name: '', text: 'select pg_notify($1, $2)' }, [notifyChannel, payload]),
    listener: { hinted: () => {}, restored: () => {}, lost: () => {}, deafened: () => {} },
  })
  try {
    const state = await session.start()
    if (state !== 'live') return 'swallowed'
    return session.isPooled ? 'pooled' : 'direct'
  } catch (error) {
    return toCacheError(error, 'session')
  } finally {
    await session.close()
  }
}
