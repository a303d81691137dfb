// What an examination means for a cache, one finding a matter, and what to do about each.

import type { CacheError } from '../core/errors.ts'
import type { Examination, StoreStatus, Surroundings } from '../examination.ts'
import { commandFor } from '../postgres/schema-advice.ts'
import { formatAge, formatBytes, formatCount, formatMany, formatShare } from './figures.ts'

/** `problem`: it does not work, or not as it should; `warning`: it may hurt; `good`: nothing to do. */
export type Verdict = 'good' | 'warning' | 'problem'

export interface Finding {
  readonly matter: string
  readonly verdict: Verdict
  readonly text: string
  /** What to do; null: nothing. */
  readonly advice: string | null
}

// The package has no docs/ of its own.
const MANUAL = 'https://github.com/postgres-cache/postgres-cache/blob/main/docs/operations.md'

type Judged = Omit<Finding, 'matter'>

const CLOCK_NOTEWORTHY_MS = 1_000
// Hints stop at a quarter: sql/0002_changes.sql.
const QUEUE_LIMIT = 0.25
const LOCKS_PER_PROCESS = 32
const CONNECTIONS_PER_PROCESS = 5
const FEED_NOTEWORTHY_ROWS = 100_000
const SWEEP_OVERDUE_MS = 600_000
const DEAD_ROWS_NOTEWORTHY = 10_000
const OLDEST_SERVER = 140_000

export function diagnose(examination: Examination): Finding[] {
  const { surroundings, store } = examination
  const isReadable = 'code' in store ? null : store
  return [
    finding('server', judgeServer(examination)),
    finding('session', judgeSession(examination)),
    finding('schema', judgeSchema(examination)),
    finding('rights', judgeRights(examination)),
    finding('clock', judgeClock(examination)),
    finding('connections', judgeConnections(surroundings)),
    finding('locks', judgeLocks(surroundings, isReadable)),
    finding('notifications', judgeQueue(surroundings)),
    finding('transactions', judgeTransactions(surroundings)),
    finding('isolation', judgeIsolation(surroundings)),
    finding('idle sessions', judgeIdleSessions(surroundings)),
    finding('vacuum', judgeVacuum(surroundings, isReadable)),
    ...(isReadable === null
      ? []
      : [
          finding('durability', judgeDurability(isReadable, surroundings)),
          finding('world', judgeWorld(isReadable, surroundings)),
          finding('sweep', judgeSweep(isReadable)),
          finding('size', judgeSize(isReadable, examination)),
          finding('watches', judgeWatches(isReadable)),
        ]),
  ]
}

export function renderFindings(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ matter }) => matter.length))
  const lines = findings.flatMap(({ matter, verdict, text, advice }) => [
    `${verdict.padEnd('problem'.length)}  ${matter.padEnd(width)}  ${text}`,
    ...(advice === null ? [] : [`${' '.repeat('problem'.length + width + 4)}→ ${advice}`]),
  ])
  const count = (wanted: Verdict): number => findings.filter(({ verdict }) => verdict === wanted).length
  return [
    ...lines,
    '',
    `${formatMany(count('problem'), 'problem')}, ${formatMany(count('warning'), 'warning')}`,
  ].join('\n')
}

const finding = (matter: string, judged: Judged): Finding => ({ matter, ...judged })
const good = (text: string): Judged => ({ verdict: 'good', text, advice: null })
const warning = (text: string, advice: string): Judged => ({ verdict: 'warning', text, advice })
const problem = (text: string, advice: string): Judged => ({ verdict: 'problem', text, advice })
const failure = ({ message, code }: CacheError): Judged =>
  problem(`${message} [${code}]`, `look up ${code} at ${MANUAL}#error-codes`)

function judgeServer({ surroundings, roundTripMs }: Examination): Judged {
  const { server, inRecovery, isReadOnly } = surroundings
  const name = `PostgreSQL ${Math.floor(server / 10_000)}.${server % 10_000}, ${roundTripMs.toFixed(1)} ms away`
  if (server < OLDEST_SERVER) return problem(name, 'use PostgreSQL 14 or newer')
  if (inRecovery)
    return problem(`${name}, a standby`, 'connect to the primary: here reads miss and writes reject')
  if (isReadOnly)
    return problem(`${name}, read-only`, 'set default_transaction_read_only = off for this role and database')
  return good(name)
}

function judgeSession({ session }: Examination): Judged {
  if (session === 'direct') return good('a direct connection: notifications and advisory locks work')
  if (session === 'pooled')
    return good('through a pooler that keeps sessions: notifications and advisory locks work')
  if (session === 'swallowed')
    return warning(
      'through a pooler in transaction mode, where notifications never arrive: caches here poll',
      'set `sessionConnectionString` to a direct address (try it with --session-url), or `notifications: "poll"`',
    )
  return problem(
    `${session.message} [${session.code}]`,
    'every process needs one connection of its own, or `notifications: "poll"`',
  )
}

function judgeSchema({ store, surroundings, names }: Examination): Judged {
  const migration = commandFor(names, 'migrate')
  if (!('code' in store)) {
    const text = `version ${store.schemaVersion} in ${store.schema}`
    return store.schemaIsCurrent ? good(text) : warning(`${text}, outdated`, `run \`${migration}\``)
  }
  if (store.code !== 'schema-missing') return failure(store)
  return surroundings.mayInstall
    ? warning('nothing is installed', `run \`${migration}\`, or let the first cache install it`)
    : problem(
        'nothing is installed, and this role may not',
        `run \`${migration}\` as a role that may, or as this one to be told what it lacks`,
      )
}

function judgeRights({ store, surroundings, names }: Examination): Judged {
  const { role, missingRights } = surroundings
  if (missingRights.length > 0)
    return problem(
      `${role} lacks ${missingRights.join(', ')}`,
      `let an administrator run what \`${commandFor(names, 'sql --roles')}\` prints: ${MANUAL}#rights`,
    )
  if ('code' in store && store.code === 'schema-missing') return good('nothing to have rights on yet')
  return good(`${role} may do all that a cache does`)
}

function judgeClock({ clockAheadMs }: Examination): Judged {
  const apart = Math.abs(clockAheadMs)
  if (apart < CLOCK_NOTEWORTHY_MS)
    return good(`the database's is ${Math.round(clockAheadMs)} ms ahead of ours`)
  const text = `the database's is ${formatAge(apart)} ${clockAheadMs > 0 ? 'ahead of' : 'behind'} ours`
  return warning(
    text,
    'the cache does not mind, times in logs will: synchronise both; a step empties local caches',
  )
}

function judgeConnections({ usedConnections, maxConnections }: Surroundings): Judged {
  const text = `${usedConnections} of ${maxConnections} in use`
  if (maxConnections - usedConnections >= 2 * CONNECTIONS_PER_PROCESS) return good(text)
  return warning(
    text,
    'a process takes up to five: lower `pool.max`, use `notifications: "poll"`, or raise max_connections',
  )
}

function judgeLocks({ maxLocks }: Surroundings, store: StoreStatus | null): Judged {
  const wanted = LOCKS_PER_PROCESS * Math.max(1, store?.sessions ?? 0)
  const text = `room for ${formatCount(maxLocks)}, of which caches take up to ${formatCount(wanted)}`
  return wanted <= maxLocks / 2 ? good(text) : warning(text, 'raise max_locks_per_transaction')
}

function judgeQueue({ notificationQueueUsage }: Surroundings): Judged {
  const text = `${formatShare(notificationQueueUsage)} of the server's queue in use`
  if (notificationQueueUsage < QUEUE_LIMIT) return good(text)
  return problem(text, 'no hints are sent: end the transaction of the listener that is idle in one')
}

function judgeTransactions(surroundings: Surroundings): Judged {
  const { idleTransactions, pendingPreparedTransactions, maxPreparedTransactions } = surroundings
  if (pendingPreparedTransactions > 0)
    return warning(
      `${formatMany(pendingPreparedTransactions, 'prepared transaction')} pending`,
      'commit or roll back: dead rows stay, and after a crash the cache is out of use until they have ended',
    )
  if (idleTransactions.length > 0)
    return warning(
      `idle in a transaction for over a minute: ${idleTransactions.map(({ pid, application }) => `${pid} ${application}`.trim()).join(', ')}`,
      'end them: dead rows stay, and a listener among them blocks the queue of notifications',
    )
  if (maxPreparedTransactions > 0)
    return warning(
      'max_prepared_transactions is set: nothing in a caller’s transaction notifies',
      'set it to 0 where nobody prepares transactions; otherwise such changes arrive within maxStaleness',
    )
  return good('none has been idle for long')
}

function judgeIsolation({ isolation }: Surroundings): Judged {
  if (isolation === 'read committed') return good(isolation)
  return warning(
    `${isolation} by default: every statement of the cache needs a transaction around it`,
    'where you can, set default_transaction_isolation = "read committed" for this role',
  )
}

function judgeIdleSessions({ idleSessionTimeout }: Surroundings): Judged {
  if (idleSessionTimeout === 0) return good('kept')
  return warning(
    `ended after ${formatAge(idleSessionTimeout)} (idle_session_timeout), that of the cache too`,
    'set idle_session_timeout = 0 for this role, or each quiet process loses and reopens its session',
  )
}

function judgeVacuum({ autovacuum }: Surroundings, store: StoreStatus | null): Judged {
  if (!autovacuum)
    return problem('autovacuum is off', 'turn on autovacuum and track_counts: the tables only grow without')
  const dead = store?.deadRows ?? 0
  const live = store?.tables.find(({ name }) => name === 'entries')?.rows ?? 0
  if (dead < DEAD_ROWS_NOTEWORTHY || dead < live) return good('autovacuum is on')
  return warning(
    `${formatMany(dead, 'dead row')} beside ${formatMany(live, 'entry', 'entries')}`,
    'look for transactions that stay open, replication slots that lag, and autovacuum that does not keep up',
  )
}

function judgeDurability({ durability }: StoreStatus, { hasFsync }: Surroundings): Judged {
  if (durability === 'unlogged') return good('unlogged: a crash of the server empties the cache')
  if (hasFsync) return good('logged: entries survive a crash of the server')
  return problem('logged, with fsync off', 'turn on fsync: a crash of the machine may leave tables broken')
}

function judgeWorld({ state }: StoreStatus, { pendingPreparedTransactions }: Surroundings): Judged {
  if (state?.worldIsSettled !== true && pendingPreparedTransactions > 0)
    return problem(
      'none, and none can begin: everything misses',
      'commit or roll back the prepared transactions that pg_prepared_xacts lists',
    )
  if (state === null) return good('none yet: the next client begins one')
  if (state.worldIsSettled) return good(state.world)
  return warning(`${state.world}, of another server or database`, 'none: the next client empties the store')
}

function judgeSweep({ state, connections }: StoreStatus): Judged {
  if (state === null) return good('nothing to sweep')
  const text = `last ${formatAge(state.sweptMs)} ago`
  if (connections === 0 || state.sweptMs < SWEEP_OVERDUE_MS) return good(text)
  return warning(text, 'processes are connected, and none sweeps: look at their `error` events')
}

function judgeSize({ tables, expiredEntries }: StoreStatus, { names }: Examination): Judged {
  const bytes = tables.reduce((sum, table) => sum + table.tableBytes + table.indexBytes + table.toastBytes, 0)
  const rowsOf = (name: string): number => tables.find((table) => table.name === name)?.rows ?? 0
  const text = `${formatBytes(bytes)}, ${formatMany(rowsOf('entries'), 'entry', 'entries')}, ${formatMany(rowsOf('feed'), 'row')} of feed`
  if (rowsOf('feed') > FEED_NOTEWORTHY_ROWS)
    return warning(
      text,
      'the feed is kept for minutes only: nobody sweeps, or a transaction has been open for long',
    )
  if (
    expiredEntries !== null &&
    expiredEntries > DEAD_ROWS_NOTEWORTHY &&
    expiredEntries > rowsOf('entries') / 2
  )
    return warning(
      `${text}, ${formatCount(expiredEntries)} of them expired`,
      `run \`${commandFor(names, 'prune')}\`, and see that processes sweep`,
    )
  return good(text)
}

function judgeWatches({ watches }: StoreStatus): Judged {
  const partial = watches.filter(({ unwatchedPartitions }) => unwatchedPartitions.length > 0)
  if (partial.length === 0) return good(formatMany(watches.length, 'table'))
  return warning(
    `tables without a working watch: ${partial.flatMap(({ unwatchedPartitions }) => unwatchedPartitions).join(', ')}`,
    'call watch() again: statements that name them go unnoticed',
  )
}
