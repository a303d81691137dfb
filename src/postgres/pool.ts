// Where connections come from: a pool of our own, or one that the caller gave us and that we never end.

import pg from 'pg'
import { CacheError } from '../core/errors.ts'
import type { PoolSource } from '../options.ts'
import type { DriverPool } from './connections.ts'
import { PlansOnce } from './plans.ts'

export interface ManagedPool extends DriverPool {
  /** How to reach the same server for the session connection. */
  readonly address: pg.ClientConfig
  close(): Promise<void>
}

// Seen in pg_stat_activity; a name in the connection string wins.
const APPLICATION = { fallback_application_name: 'postgres-cache' }

const IDLE_TIMEOUT_MS = 30_000
// Nobody else wants a connection of our own pool. One that is kept keeps the process alive.
const KEEP_MS = 20

export function createPool(
  source: PoolSource,
  connectTimeoutMs: number,
  onIdleError: (error: Error) => void,
): ManagedPool {
  if (source.kind === 'given') {
    const { pool } = source
    return {
      address: { ...APPLICATION, ...addressOf(pool) },
      keepMs: 0,
      // A pool that does not tell may always be wanted.
      isWanted: () => !('waitingCount' in pool) || pool.waitingCount !== 0,
      onIdleError: () => {},
      connect: () => pool.connect(),
      close: async () => {},
    }
  }
  const address: pg.ClientConfig = { ...APPLICATION, keepAlive: true }
  if (source.connectionString !== undefined) {
    checkAddress(source.connectionString, 'connectionString')
    address.connectionString = source.connectionString
  }
  const pool = new pg.Pool({
    ...address,
    min: source.min,
    max: source.max,
    connectionTimeoutMillis: connectTimeoutMs,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    // An idle cache that nobody closed must not keep a script from ending.
    allowExitOnIdle: true,
  })
  // Without a listener, an idle connection that the server ends would end the process.
  pool.on('error', onIdleError)
  // Nor may one that breaks in the same breath as it opens: whoever waits for it is told of it a moment later, and cannot listen yet.
  pool.on('connect', (client) => client.on('error', brokenBeforeUse))
  const plans = new PlansOnce(connectTimeoutMs)
  // Not in a hook of the pool, which would give up on whoever waits, and not take back what comes of it.
  const connect = async (): Promise<pg.PoolClient> => {
    const client = await pool.connect()
    try {
      await plans.tell(client)
    } catch (error) {
      client.release(error as Error)
      throw error
    }
    return client
  }
  const isByDefault = source.connectionString === undefined && process.env['PGHOST'] === undefined
  return {
    address,
    keepMs: KEEP_MS,
    isWanted: () => false,
    onIdleError,
    connect: isByDefault ? () => connect().catch(explainDefault) : connect,
    close: () => pool.end(),
  }
}

/** Where the session connection leads to: to where the pool does, unless another address of that database is given. */
export function sessionAddress(
  pool: Pick<ManagedPool, 'address'>,
  connectionString: string | undefined,
): { address: pg.ClientConfig; hasOwnAddress: boolean } {
  if (connectionString === undefined) return { address: pool.address, hasOwnAddress: false }
  checkAddress(connectionString, 'sessionConnectionString')
  return { address: { ...pool.address, connectionString }, hasOwnAddress: true }
}

/** Throws `invalid-option` where pg can make nothing of it, which would else look like a server that is away. */
function checkAddress(connectionString: string, option: string): void {
  try {
    void new pg.Client({ connectionString })
  } catch (error) {
    // Neither the value nor the error, which shows it whole: it holds a password.
    const advice =
      (error as { code?: unknown }).code === 'ERR_INVALID_URL'
        ? 'percent-encode what is special in user and password, such as `#` as %23, `/` as %2F and `@` as %40, and look at the port'
        : 'see what it names'
    const message = `Expected \`${option}\` to be an address that can be read: ${advice} (${(error as Error).message})`
    throw new CacheError('invalid-option', message, { option })
  }
}

// pg.Pool keeps what it was made with in `options`, the password where no copy of an object takes it along; bounds of
// the pool mean nothing to a single client.
function addressOf(pool: object): pg.ClientConfig {
  const options: unknown = 'options' in pool ? pool.options : undefined
  if (typeof options !== 'object' || options === null) return {}
  return 'password' in options ? { ...options, password: options.password as string } : options
}

// A variable of the environment that was thought to be there, as a rule.
function explainDefault(error: unknown): never {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'ECONNREFUSED') throw error
  const message =
    'nothing listens on this machine, and no other address was given: by `connectionString`, `pool` or PGHOST, or to the command by --url or DATABASE_URL'
  throw Object.assign(new Error(message, { cause: error }), { code: error.code })
}

function brokenBeforeUse(): void {}
