// What a scenario is: cells, and one measurement of one contender in one of them. Rounds are the runner's.

import type { ContenderName } from './contenders.ts'
import type { FigureName, Figures } from './figures.ts'
import type { Stage } from './stage.ts'

/** One row group of a table: what is varied, in the order of its columns. */
export type Cell = Readonly<Record<string, string | number>>

export interface Scenario<C extends Cell = Cell> {
  readonly name: string
  /** What it finds out, as a sentence for the reader of its table. */
  readonly question: string
  /** The columns of its table. */
  readonly figures: readonly FigureName[]
  readonly rounds: Readonly<Record<Effort, number>>
  cells(settings: Settings): readonly C[]
  /** Who takes part in a cell. */
  contenders(cell: C): readonly ContenderName[]
  measure(stage: Stage, contender: ContenderName, cell: C): Promise<Figures>
}

/** `quick` shows that everything works; its figures mean little. */
export type Effort = 'quick' | 'full'

export interface Settings {
  readonly effort: Effort
  readonly original: OriginalSettings
}

/** The flags of the original's benchmark. */
export interface OriginalSettings {
  readonly writers: number
  readonly readers: number
  readonly writeIterations: number
  readonly readIterations: number
  readonly keyspace: number
  readonly ttlMs: number
  readonly networkLatencyMs: number
  readonly networkJitterMs: number
}
