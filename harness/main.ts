// npm run harness: is the cache ever wrong? Processes work on one database for a while and write down all they do and see; then the history is checked.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { usePostgres } from '../scripts/database-url.ts'
import { parseArguments, type Plan, USAGE } from './arguments.ts'
import { type Assignment, Crew, type RoleName } from './crew.ts'
import { createHarnessDatabase } from './database.ts'
import { Faults } from './soak-faults.ts'
import { Growth } from './growth.ts'
import { judge, type Verdict } from './judge.ts'
import { Random } from './random.ts'
import { toReport } from './report.ts'

// More of them would not tell more.
const ENOUGH_VIOLATIONS = 20
const PROGRESS_EVERY_MS = 1_000
const SAMPLE_EVERY_MS = 5_000
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
  await using postgres = await usePostgres()
  await using database = await createHarnessDatabase(postgres.url, plan)
  await using crew = new Crew(assign({ plan, directory, url: reachedBy(plan, database.url) }))
  await Promise.race([crew.begun(), crew.failure])
  const started = performance.now()
  const soaked = plan.soak ? soak(plan, crew, database.url) : null
  await Promise.race([work(plan, crew, started), crew.failure])
  const growth = await soaked?.()
  const seconds = (performance.now() - started) / 1000
  await crew.stop()
  const verdict = judge(directory)
  const { serverVersion } = database
  const deadlocks = await database.deadlocks()
  console.log(toReport(verdict, { plan, directory, seconds, serverVersion, deadlocks }))
  if (growth === undefined) return verdict
  console.log(`\n${growth.toLines().join('\n')}`)
  if (growth.grown.length > 0) process.exitCode = 1
  return verdict
}

/** Faults and samples until the function that it returns is called. */
function soak(plan: Plan, crew: Crew, url: string): () => Promise<Growth> {
  const ending = new AbortController()
  const faults = new Faults(url, crew, new Random(`${plan.seed} faults`))
  const growth = new Growth(url, crew)
  const sampling = async (): Promise<void> => {
    for (; !ending.signal.aborted; await delay(SAMPLE_EVERY_MS)) await growth.sample()
  }
  const done = Promise.all([faults.until(ending.signal), sampling()])
  return async () => {
    ending.abort()
    await done
    console.log(`${faults.count} faults`)
    return growth
  }
}

function reachedBy({ pooler }: Plan, databaseUrl: string): string {
  if (pooler === null) return databaseUrl
  const url = new URL(databaseUrl)
  url.host = new URL(pooler).host
  return url.href
}

function assign(shared: Omit<Assignment, 'role' | 'index'>): Assignment[] {
  const { plan } = shared
  const role = (name: RoleName, index = 0): Assignment => ({ ...shared, role: name, index })
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
