// Puts the parts of a cache together, in one step. Nothing is sent and no timer runs before it connects.

import { decodeValue } from './codecs/values.ts'
import { auditHits } from './audit.ts'
import { Connection } from './connection.ts'
import { closedError } from './core/errors.ts'
import type { Clock } from './core/clock.ts'
import { Reporter } from './events.ts'
import { Gate } from './gate.ts'
import { Loads } from './load.ts'
import type { LoadResult } from './load-result.ts'
import { LoadSteps } from './load-steps.ts'
import { LoadStore } from './load-store.ts'
import { Background } from './memory/background.ts'
import { Budget } from './memory/budget.ts'
import { Coherence, type LocalView } from './memory/coherence.ts'
import { FailedLoads } from './memory/failed-loads.ts'
import { Flights } from './memory/flights.ts'
import type { LocalEntry } from './memory/local-entry.ts'
import { NullCoherence } from './memory/null-coherence.ts'
import { resolveValueMode, type ValueMode } from './memory/value-modes.ts'
import type { ResolvedOptions } from './options.ts'
import { AtomicStore } from './postgres/atomic-store.ts'
import { Driver } from './postgres/driver.ts'
import { Feed } from './postgres/feed.ts'
import { toCacheError } from './postgres/failures.ts'
import { createNames } from './postgres/names.ts'
import { createPool } from './postgres/pool.ts'
import { createStatements } from './postgres/statements.ts'
import { Store } from './postgres/store.ts'
import { type TransactionClient, TransactionStore } from './postgres/transactions.ts'
import { VoidEntries } from './postgres/void-entries.ts'
import { Watches } from './postgres/watch.ts'
import { Reader } from './read.ts'
import { Refetch } from './refetch.ts'
import { Scan } from './scan.ts'
import { Sync } from './sync.ts'
import { Timing } from './timing.ts'
import { Transaction } from './transaction.ts'
import { Writer } from './write.ts'

export interface Parts {
  readonly options: ResolvedOptions
  readonly clock: Clock
  readonly reporter: Reporter
  readonly timing: Timing
  readonly background: Background
  readonly gate: Gate
  readonly budget: Budget
  readonly mode: ValueMode
  readonly local: LocalView
  readonly sync: Sync
  readonly reader: Reader
  readonly writer: Writer
  readonly atomicStore: AtomicStore
  readonly loads: Loads
  readonly scan: Scan
  readonly connection: Connection
  readonly watches: Watches
  /** Begins the cache's part of a transaction on the caller's connection. */
  readonly beginTransaction: (tx: TransactionClient) => Promise<Transaction>
}

export function wire(options: ResolvedOptions, clock: Clock): Parts {
  const names = createNames({ schema: options.schema, prefix: options.schemaPrefix })
  const reporter = new Reporter(names.label)
  const reportError =
    (operation: string) =>
    (error: unknown): void => {
      reporter.report('error', { error: toCacheError(error, operation), operation })
    }
  const background = new Background(reportError('background'))
  const gate = new Gate(clock, reporter)
  const timing = new Timing(clock, reporter)
  const budget = new Budget(options.maxPendingBytes)

  const statements = createStatements(names)
  const pool = createPool(options.pool, options.queryTimeoutMs, reportError('idle connection'))
  const driver = new Driver(pool, options)
  const store = new Store(driver, statements)
  const feed = new Feed(driver, statements)

  const reads = new Flights<LocalEntry | null>()
  const loadFlights = new Flights<LoadResult>()
  const local = createLocal(options, clock, reporter, [reads, loadFlights], (key, readInVain) =>
    refetch.add(key, readInVain),
  )
  const mode = resolveValueMode(
    options.local === false ? 'clone' : options.local.values,
    (content, codec, key) => decodeValue(options, key, codec, content),
  )
  const localTtlMs = options.local === false ? Infinity : (options.local.ttlMs ?? Infinity)

  const sync = new Sync({
    maxStalenessMs: options.maxStalenessMs,
    clock,
    gate,
    reporter,
    background,
    local,
    feed,
    retireConnections: () => driver.retireConnections(),
    expectsMoreNews: () => refetch.suspend(),
    tookNewsIn: () => refetch.resume(),
  })
  const reader = new Reader({ store, gate, sync, reporter, local, flights: reads, budget, mode, localTtlMs })
  const refetch = new Refetch({ gate, background, local, reader })
  auditHits({
    sampleRate: options.auditRate,
    local,
    reader,
    voided: new VoidEntries(driver, names),
    sync,
    reporter,
    background,
  })
  const writer = new Writer({
    store,
    gate,
    sync,
    local,
    budget,
    mode,
    localTtlMs,
    timeoutMs: options.queryTimeoutMs,
  })
  const connection = new Connection({
    options,
    names,
    statements,
    pool,
    driver,
    store,
    gate,
    sync,
    reporter,
    background,
  })
  const loadStore = new LoadStore({
    reader,
    writer,
    local,
    reporter,
    clock,
    values: options,
    mode,
    localTtlMs,
  })
  const loadSteps = new LoadSteps({
    reader,
    local,
    store: loadStore,
    failures: new FailedLoads(clock),
    connection,
    reporter,
    timing,
    background,
    clock,
    lockTimeoutMs: options.lockTimeoutMs,
  })
  return {
    options,
    clock,
    reporter,
    timing,
    background,
    gate,
    budget,
    mode,
    local,
    sync,
    reader,
    writer,
    atomicStore: new AtomicStore(driver, names),
    loads: new Loads({
      steps: loadSteps,
      local,
      flights: loadFlights,
      waitUntil: (work) => void background.run(() => options.waitUntil(work)),
    }),
    scan: new Scan(store, gate, local, background),
    connection,
    watches: new Watches(driver, names),
    beginTransaction: async (tx) =>
      new Transaction(await TransactionStore.begin(tx, names), { sync, reporter, options }),
  }
}

function createLocal(
  options: ResolvedOptions,
  clock: Clock,
  reporter: Reporter,
  joins: ConstructorParameters<typeof NullCoherence>[0]['joins'],
  outdated: (key: string, readInVain: number) => void,
): LocalView {
  if (options.local === false) return new NullCoherence({ clock, joins })
  return new Coherence({
    clock,
    joins,
    maxStalenessMs: options.maxStalenessMs,
    maxEntries: options.local.maxEntries,
    maxBytes: options.local.maxBytes,
    listener: {
      evicted: (key, reason) => reporter.report('evicted', { key, reason }),
      outdated,
      flushed: (reason, entries) => reporter.report('flushed', { reason, entries }),
    },
  })
}

/** Ends what wire() made: what is under way is waited for, from the outside in; then nothing is left that could need a connection. */
export async function shutDown({
  connection,
  loads,
  reader,
  writer,
  background,
  local,
}: Parts): Promise<void> {
  await connection.close()
  await loads.drain()
  await Promise.all([reader.drain(), writer.drain()])
  reader.close(closedError())
  writer.close(closedError())
  await background.close()
  local.close()
  await connection.disconnect()
}
