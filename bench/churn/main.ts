// npm run bench:churn: half an hour of keys that come and expire, under caps, and what becomes of the table.

import { setTimeout as delay } from 'node:timers/promises'
import { PostgresCache } from 'postgres-cache'
import { type Address, ownVersion, packageVersion, schemaOf } from '../contender.ts'
import { postgresVersion } from '../contenders/postgres-cache.ts'
import { closeServers, openServers } from '../servers/servers.ts'
import { type ChurnRecord, renderSamples, renderVerdicts, saveRecord } from './report.ts'
import { type Sample, Sampler, SAMPLER_NAME } from './sampler.ts'
import { ServerClock } from './server-share.ts'
import { type ChurnSettings, parseSettings, USAGE } from './settings.ts'
import { Traffic } from './traffic.ts'
import { judge } from './verdicts.ts'

const SAMPLE_EVERY_S = 10
const SWEEPER_NAME = 'churn sweeper'

async function churn(settings: ChurnSettings): Promise<void> {
  const servers = await openServers(new Set(['postgres']), console.error)
  const server = servers.postgres
  if (server === undefined) throw new Error('there is no PostgreSQL server')
  const startedAt = new Date().toISOString()
  try {
    const address: Address = { url: server.url, schema: schemaOf('churn') }
    await using sweeper = openSweeper(address, settings)
    const swept = { removed: 0, evicted: 0, reports: 0 }
    sweeper.on('swept', ({ removed, evicted }) => {
      swept.removed += removed
      swept.evicted += evicted
      swept.reports++
    })
    sweeper.on('error', ({ error, operation }) => console.error(`${operation}: ${error.message}`))
    await sweeper.connect()
    await using traffic = new Traffic(address, settings)
    const sampler = new Sampler(address)
    await sampler.client.connect()
    const clock =
      server.ownPid === undefined
        ? undefined
        : new ServerClock(sampler.client, server.ownPid, {
            [SWEEPER_NAME]: 'sweep',
            [SAMPLER_NAME]: 'sampler',
          })
    const ms = settings.minutes * 60_000
    const [samples] = await Promise.all([watch(sampler, clock, ms), traffic.run(ms)])
    const share = clock?.read()
    await sampler.client.end()
    const record: ChurnRecord = {
      startedAt,
      settings,
      versions: {
        client: `${ownVersion()} on ${packageVersion('pg')}`,
        server: await postgresVersion(server.url),
      },
      serverSettings: server.settings,
      counts: traffic.counts,
      swept,
      share,
      verdicts: judge(samples, settings, share),
      samples,
    }
    console.log(`${renderSamples(samples)}\n`)
    console.log(renderVerdicts(record.verdicts).join('\n'))
    console.log(JSON.stringify({ ...record.counts, swept, share }))
    if (settings.save) console.log(`saved in ${saveRecord(record)}`)
    if (record.verdicts.some(({ holds }) => !holds)) process.exitCode = 1
  } finally {
    await closeServers(servers)
  }
}

/** On one connection of its own, so that the time of its backend is the cost of the sweep. */
function openSweeper({ url, schema }: Address, { maxEntries, maxBytes }: ChurnSettings): PostgresCache {
  const named = new URL(url)
  named.searchParams.set('application_name', SWEEPER_NAME)
  return new PostgresCache({
    connectionString: named.href,
    schema,
    notifyChannel: schema,
    local: false,
    notifications: 'poll',
    pool: { max: 1 },
    store: { ...(maxEntries !== null && { maxEntries }), ...(maxBytes !== null && { maxBytes }) },
  })
}

async function watch(sampler: Sampler, clock: ServerClock | undefined, ms: number): Promise<Sample[]> {
  const samples: Sample[] = []
  const start = performance.now()
  for (let second = 1; second <= ms / 1_000; second++) {
    await delay(Math.max(0, start + second * 1_000 - performance.now()))
    await clock?.tick()
    if (second % SAMPLE_EVERY_S !== 0) continue
    const sample = await sampler.sample((performance.now() - start) / 1_000)
    samples.push(sample)
    if (second % 60 === 0) console.error(renderSamples([sample]).split('\n').at(-1))
  }
  return samples
}

const settings = parseSettings(process.argv.slice(2))
if (settings === 'help') console.log(USAGE)
else await churn(settings)
