// Every rule is needed, and the model would see if it were gone: the list is in mutations.ts.

import { afterAll, describe, expect, test } from 'vitest'
import { type Exploration, explore } from './explore.ts'
import { families } from './families.ts'
import type { Family } from './family.ts'
import type { MemoryCode } from './memory-code.ts'
import { mutations } from './mutations.ts'

const TIMEOUT_MS = 60_000

let killed = 0
let histories = 0

describe('the model notices that', () => {
  const mutants = mutations.map(({ without, seenIn }, number) => ({ without, seenIn, number }))
  test.each(mutants)(
    '$without',
    async ({ seenIn, number }) => {
      const family = families.find(({ name }) => name === seenIn) as Family
      const exploration: Exploration = explore(family, await loadMutant(number))
      expect(exploration.violation, `seen in ${seenIn}`).not.toBeNull()
      killed++
      histories += exploration.histories
    },
    TIMEOUT_MS,
  )
})

afterAll(() => {
  console.log(`${killed} of ${mutations.length} mutants killed, after ${histories} histories`)
})

/** By the plugin of mutant-modules.ts; rejects where the text to change is not there exactly once. */
async function loadMutant(number: number): Promise<MemoryCode> {
  const file = (name: string): string => `../../src/memory/${name}.ts?mutant=${number}`
  const [coherence, flights, localEntry, nullCoherence, valueModes] = await Promise.all([
    import(/* @vite-ignore */ file('coherence')),
    import(/* @vite-ignore */ file('flights')),
    import(/* @vite-ignore */ file('local-entry')),
    import(/* @vite-ignore */ file('null-coherence')),
    import(/* @vite-ignore */ file('value-modes')),
  ])
  return { ...coherence, ...flights, ...localEntry, ...nullCoherence, ...valueModes }
}
