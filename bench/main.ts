// npm run bench: opens the servers, checks the contenders, runs the scenarios and writes down what they found.

import { type Arguments, parseArguments, USAGE } from './arguments.ts'
import { cleanUp } from './cleanup.ts'
import { infoOf, type ContenderName } from './contenders.ts'
import { checkEntrants, type Entrants } from './entrants.ts'
import { describeMachine } from './machine.ts'
import { Progress } from './progress.ts'
import { recordToMarkdown, saveResults, type ScenarioRecord } from './results.ts'
import { runScenario } from './runner.ts'
import type { Scenario } from './scenario.ts'
import { closeServers, openServers, type Servers } from './servers/servers.ts'

const progress = new Progress()

async function benchmark(args: Arguments): Promise<void> {
  const wanted = args.contenders.filter((name) => args.scenarios.some((each) => takesPart(name, each, args)))
  const servers = await openServers(new Set(wanted.map((name) => infoOf(name).server)), (line) =>
    progress.say(line),
  )
  try {
    const entrants = await checkEntrants(wanted, servers)
    for (const [name, { client, server }] of entrants.fit) progress.say(`${name}: ${client}, ${server}`)
    for (const [name, reason] of entrants.leftOut) progress.say(`${name} is left out: ${reason}`)
    const records: ScenarioRecord[] = []
    for (const scenario of args.scenarios) {
      const record = await run(scenario, args, entrants, servers)
      records.push(record)
      if (!args.json) console.log(recordToMarkdown(record))
      if (args.settings.effort === 'full') progress.say(`saved in ${saveResults([record])}`)
    }
    if (args.json) console.log(JSON.stringify(records, null, 2))
    if (args.settings.effort === 'quick')
      progress.say('--quick: nothing is saved, and the figures mean little')
  } finally {
    await closeServers(servers)
  }
}

function takesPart(name: ContenderName, scenario: Scenario, { settings }: Arguments): boolean {
  return scenario.cells(settings).some((cell) => scenario.contenders(cell).includes(name))
}

async function run(
  scenario: Scenario,
  { settings, command }: Arguments,
  { fit, leftOut }: Entrants,
  servers: Servers,
): Promise<ScenarioRecord> {
  const startedAt = new Date()
  const result = await runScenario(scenario, new Set(fit.keys()), servers, settings, (step) =>
    progress.step(step),
  )
  const tookPart = [...fit].filter(([name]) => result.cells.some(({ contender }) => contender === name))
  return {
    ...result,
    command,
    startedAt: startedAt.toISOString(),
    seconds: (Date.now() - startedAt.getTime()) / 1_000,
    machine: describeMachine(),
    versions: Object.fromEntries(
      tookPart.map(([name, { client, server }]) => [name, `${client}, ${server}`]),
    ),
    leftOut: Object.fromEntries(leftOut),
    servers: Object.fromEntries(Object.entries(servers).map(([kind, { settings: set }]) => [kind, set])),
  }
}

const args = parseArguments(process.argv.slice(2))
if (args === 'help') console.log(USAGE)
else if (args === 'cleanup') {
  const { DATABASE_URL, VALKEY_URL } = process.env
  for (const line of await cleanUp(DATABASE_URL, VALKEY_URL)) console.log(line)
} else await benchmark(args)
