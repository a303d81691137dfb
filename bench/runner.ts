// Takes contenders through the cells of a scenario, round after round: what the machine does meanwhile meets all cells and
// all contenders alike.

import type { ContenderName } from './contenders.ts'
import { failureText } from './failure-text.ts'
import type { FigureName, Figures } from './figures.ts'
import type { Cell, Scenario, Settings } from './scenario.ts'
import type { Servers } from './servers/servers.ts'
import { Stage } from './stage.ts'

/** One contender in one cell: what each round found. */
export interface CellResult {
  readonly cell: Cell
  readonly contender: ContenderName
  readonly rounds: readonly Figures[]
  /** Why there are no more rounds than these. */
  readonly failure?: string
}

export interface ScenarioResult {
  readonly scenario: string
  readonly question: string
  readonly figures: readonly FigureName[]
  readonly cells: readonly CellResult[]
}

/** The measurement that is about to be taken. */
export interface Step {
  readonly scenario: string
  readonly cell: Cell
  readonly contender: ContenderName
  readonly done: number
  readonly total: number
}

export async function runScenario(
  scenario: Scenario,
  fit: ReadonlySet<ContenderName>,
  servers: Servers,
  settings: Settings,
  report: (step: Step) => void,
): Promise<ScenarioResult> {
  await using stage = new Stage(servers, settings)
  const rounds = scenario.rounds[settings.effort]
  const plan = scenario.cells(settings).map((cell) => ({
    cell,
    results: scenario
      .contenders(cell)
      .filter((contender) => fit.has(contender))
      .map((contender): Draft => ({ cell, contender, rounds: [], failure: undefined })),
  }))
  const total = plan.reduce((sum, { results }) => sum + results.length * rounds, 0)
  let done = 0

  for (let round = 0; round < rounds; round++) {
    for (const { cell, results } of plan) {
      for (const result of shuffled(results)) {
        report({ scenario: scenario.name, cell, contender: result.contender, done: done++, total })
        if (result.failure !== undefined) continue
        try {
          result.rounds.push(await scenario.measure(stage, result.contender, cell))
        } catch (error) {
          result.failure = failureText(error)
        }
      }
    }
  }
  const { name, question, figures } = scenario
  return { scenario: name, question, figures, cells: plan.flatMap(({ results }) => results.map(finish)) }
}

/** What the one before has left behind, such as a checkpoint under way, meets nobody more often than others. */
function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

interface Draft {
  readonly cell: Cell
  readonly contender: ContenderName
  readonly rounds: Figures[]
  failure: string | undefined
}

function finish({ failure, ...result }: Draft): CellResult {
  return failure === undefined ? result : { ...result, failure }
}
