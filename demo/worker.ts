// One process of the application: it answers requests, with the cache or without, and does what it is told. It ends when it
// is let go of, also by a demo that was killed.

import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { PostgresCache } from 'postgres-cache'
import {
  type Answers,
  type FromWorker,
  type Kind,
  monotonicMs,
  type Tasks,
  type ToWorker,
} from './messages.ts'
import { keyOf, type Report, workOutReport } from './report.ts'
import { serve } from './traffic.ts'

const connectionString = process.env['DATABASE_URL']
const schema = process.argv[2] ?? ''

const pool = new pg.Pool({ connectionString, max: 4, application_name: 'postgres-cache demo' })
const cache = new PostgresCache({
  connectionString,
  schema,
  notifyChannel: schema,
  pool: { max: 2 },
  ttl: '10m',
})

const query = (city: number): Promise<Report> => workOutReport(pool, schema, city)
const cached = (city: number): Promise<Report> => cache.getOrSet(keyOf(city), () => query(city))

const carryOut: { readonly [K in Kind]: (task: Tasks[K]) => Promise<Answers[K]> } = {
  async connect() {
    await cache.connect()
    await pool.query('select')
    return null
  },

  async serve({ cached: isCached, ...traffic }) {
    // getOrSet alone would do; looking first tells whether it has to wait for the query.
    const lookUp = (city: number): Promise<Report | undefined> => cache.get<Report>(keyOf(city))
    const application = isCached
      ? { lookUp, workOut: cached }
      : { lookUp: async () => undefined, workOut: query }
    await serve(traffic, application, (second) => tell({ about: 'second', second }))
    return null
  },

  /** Asks for one city every millisecond until its population has changed. */
  async watch({ city, patienceMs }) {
    const { population } = await cached(city)
    let oldAtMs = monotonicMs()
    tell({ about: 'watching' })
    const deadline = oldAtMs + patienceMs
    while (oldAtMs < deadline) {
      const askedAt = monotonicMs()
      if ((await cached(city)).population !== population) return { oldAtMs, newAtMs: monotonicMs() }
      oldAtMs = askedAt
      await delay(1)
    }
    return { oldAtMs, newAtMs: null }
  },

  /** The row changes and its report becomes invalid in one transaction. */
  async update({ city }) {
    const client = await pool.connect()
    try {
      await client.query('begin')
      const cacheInside = await cache.withTransaction(client)
      await client.query(`update ${schema}.city set population = population + 1 where id = $1`, [city])
      await cacheInside.invalidate(keyOf(city))
      const commitSentAtMs = monotonicMs()
      await client.query('commit')
      return { commitSentAtMs }
    } finally {
      client.release()
    }
  },

  async stampede({ city, callers, atMs, cached: isCached }) {
    const ask = isCached ? cached : query
    await delay(atMs - monotonicMs())
    const reports = await Promise.all(Array.from({ length: callers }, () => ask(city)))
    return { answered: reports.length, ms: monotonicMs() - atMs }
  },
}

async function obey<K extends Kind>(kind: K, task: Tasks[K]): Promise<void> {
  try {
    tell({ about: 'done', answer: await carryOut[kind](task) })
  } catch (error) {
    tell({ about: 'failed', message: error instanceof Error ? error.message : String(error) })
  }
}

function tell(message: FromWorker): void {
  // Nobody listens any more when the demo was killed.
  if (process.connected) process.send?.(message)
}

process.on('message', ({ kind, task }: ToWorker) => void obey(kind, task))
// Nothing is left then that would keep the process running.
process.once('disconnect', () => void Promise.all([cache.close(), pool.end()]))
// Ctrl-C reaches every process of a terminal; the demo ends its own in order.
process.on('SIGINT', () => {})
