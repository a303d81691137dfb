// npm run bench: opens the servers, checks the contenders, runs the scenarios and writes down what they found.

import { parseArguments, USAGE } from './arguments.ts'
import { infoOf } from './contenders.ts'
import { checkEntrants } from './entrants.ts'
import { runScenario, type ScenarioResult } from './runner.ts'
import { closeServers, openServers } from './servers/servers.ts'
import { toMarkdown } from './table.ts'

const say = (line: string): void => console.error(line)

async function main(): Promise<void> {
  const args = parseArguments(process.argv.slice(2))
  if (args === 'help') return console.log(USAGE)
  const servers = await openServers(new Set(args.contenders.map((name) => infoOf(name).server)), say)
  try {
    const { fit, leftOut } = await checkEntrants(args.contenders, servers)
    for (const [name, { client, server }] of fit) say(`${name}: ${client}, ${server}`)
    for (const [name, reason] of leftOut) say(`${name} is left out: ${reason}`)
    const results: ScenarioResult[] = []
    for (const scenario of args.scenarios) {
      const result = await runScenario(
        scenario,
        new Set(fit.keys()),
        servers,
        args.settings,
        ({ done, total }) => {
          if (process.stderr.isTTY) process.stderr.write(`\r${scenario.name} ${done}/${total} `)
        },
      )
      results.push(result)
      console.log(toMarkdown(result))
    }
  } finally {
    await closeServers(servers)
  }
}

await main()
