// npm run harness: is the cache ever wrong? Processes work on one database for a while and write down all they do and see; then the history is checked.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { majorFromEnvironment, usePostgres } from '../scripts/database-url.ts'
import { type PostgresServer, startPostgres } from '../scripts/embedded-postgres.ts'
import { TcpProxy } from '../test/tcp-proxy.ts'
import { parseArguments, type Plan, USAGE } from './arguments.ts'
import { type Assignment, Crew, type RoleName } from './crew.ts'
import { createHarnessDatabase } from './database.ts'
import { judge, type Verdict } from './judge.ts'
import { toReport } from './report.ts'
import { Soak } from './soak.ts'

// More of them would not tell more.
const ENOUGH_VIOLATIONS = 20
const PROGRESS_EVERY_MS = 1_000
const PROGRESS_EVERY_MS_IN_LOGS = 10_000

async function main(): Promise<void> {
  const plan = parseArguments(process.argv.slice(2))
  if (plan === 'help') return console.log(USAGE)
  const directory = await mkdtemp(join(tmpdir(), 'postgres-cache-harness-'))
  const verdict = await run(plan, directory)
  if (verdict.violations.length > 0) process.exitCode = 1
  else await rm(directory, { recursive: true })
}

async function run(plan: Plan, directory: string): Promise<Verdict> {
  // One that is somebody else's is not killed.
  await using server = plan.soak && !process.env['DATABASE_URL'] ? await startOwn() : null
  await using postgres = server ?? (await usePostgres())
  await using proxy = await TcpProxy.to(postgres.url)
  await using database = await createHarnessDatabase(postgres.url, plan)
  const url = reachedBy(plan, database.url)
  const cacheUrls = plan.soak ? [url, proxy.urlOf(url)] : [url]
  await using crew = new Crew(assign({ plan, directory, url }, cacheUrls))
  await Promise.race([crew.begun(), crew.failure])
  const started = performance.now()
  const soak = plan.soak ? new Soak({ plan, crew, url: database.url, server, proxy, directory }) : null
  await Promise.race([work(plan, crew, started), crew.failure, ...(soak === null ? [] : [soak.failure])])
  await soak?.end()
  const seconds = (performance.now() - started) / 1000
  await crew.stop()
  const verdict = judge(directory)
  const { serverVersion } = database
  const deadlocks = await database.deadlocks()
  console.log(toReport(verdict, { plan, directory, seconds, serverVersion, deadlocks }))
  if (soak === null) return verdict
  console.log(`\n${soak.toLines().join('\n')}`)
  if (soak.grows) process.exitCode = 1
  return verdict
}

function startOwn(): Promise<PostgresServer> {
  return startPostgres({ major: majorFromEnvironment() })
}

function reachedBy({ pooler }: Plan, databaseUrl: string): string {
  if (pooler === null) return databaseUrl
  const url = new URL(databaseUrl)
  url.host = new URL(pooler).host
  return url.href
}

/** Processes take the addresses in turn. */
function assign(
  shared: Pick<Assignment, 'plan' | 'directory' | 'url'>,
  cacheUrls: readonly string[],
): Assignment[] {
  const { plan, url } = shared
  const role = (name: RoleName, index = 0): Assignment => ({
    ...shared,
    cacheUrl: cacheUrls[index % cacheUrls.length] ?? url,
    role: name,
    index,
  })
  return [
    ...Array.from({ length: plan.processes }, (_, i) => role(plan.preset, i)),
    ...(plan.preset === 'mixed' ? [role('snapshots')] : []),
    ...(plan.naive ? [] : Array.from({ length: plan.sweepers }, (_, i) => role('sweep', i))),
  ]
}

/** Resolves when the time is up, everything is done, or enough is known. */
async function work(plan: Plan, crew: Crew, started: number): Promise<void> {
  let isDone = false
  if (plan.preset === 'original') void crew.finished('original').then(() => (isDone = true))
  const every = process.stderr.isTTY ? PROGRESS_EVERY_MS : PROGRESS_EVERY_MS_IN_LOGS
  const isOver = (): boolean =>
    isDone ||
    crew.progress.violations >= ENOUGH_VIOLATIONS ||
    (plan.preset === 'mixed' && performance.now() - started >= plan.seconds * 1000)
  for (let shown = started; !isOver(); await delay(100)) {
    if (performance.now() - shown < every) continue
    shown = performance.now()
    show(crew.progress, (shown - started) / 1000)
  }
  if (process.stderr.isTTY) process.stderr.write('\n')
}

function show({ operations, compared, violations }: Crew['progress'], seconds: number): void {
  const line = `${seconds.toFixed(0)} s  ${operations} operations  ${compared} entries compared  ${violations} violations`
  process.stderr.write(process.stderr.isTTY ? `\r${line} ` : `${line}\n`)
}

await main()
