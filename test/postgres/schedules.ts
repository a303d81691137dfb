// Every order in which several actors can take their steps.

/** One step of one actor. A shared step is taken once for all schedules that run side by side. */
export interface Step<Scene> {
  readonly name: string
  readonly shared?: true
  readonly run: (scene: Scene) => Promise<unknown>
}

export type Schedule<Scene> = readonly Step<Scene>[]

/** All merges of the actors' steps that keep each actor's own order. */
export function interleavings<Scene>(...actors: readonly Schedule<Scene>[]): Schedule<Scene>[] {
  const left = actors.filter((steps) => steps.length > 0)
  if (left.length === 0) return [[]]
  return left.flatMap((steps, i) => {
    const [first, ...rest] = steps as [Step<Scene>, ...Step<Scene>[]]
    return interleavings(...left.with(i, rest)).map((later) => [first, ...later])
  })
}

export function permutations<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]]
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map((others) => [item, ...others]))
}

export const describeSchedule = (schedule: Schedule<never>): string =>
  schedule.map(({ name }) => name).join(', ')
