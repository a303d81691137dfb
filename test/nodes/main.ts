// The program of a process that does what its parent tells it to: see node-process.ts.

import { type Tasks, tasks } from './tasks.ts'

export interface Order {
  readonly id: number
  readonly task: keyof Tasks
  readonly argument: unknown
}

export interface Outcome {
  readonly id: number
  readonly result?: unknown
  readonly failure?: string
}

async function execute({ id, task, argument }: Order): Promise<void> {
  let outcome: Outcome
  try {
    outcome = { id, result: await (tasks[task] as (argument: unknown) => unknown)(argument) }
  } catch (error) {
    outcome = { id, failure: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
  process.send?.(outcome)
}

// Whoever started this process is gone.
process.on('disconnect', () => process.exit(1))
process.on('message', (order: Order) => void execute(order))
process.send?.({ id: 0 } satisfies Outcome)
