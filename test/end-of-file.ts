// What a test file must undo when it has run. A setup file of vitest's, because a hook that is registered while tests
// or other hooks run would silently never be called.

import { afterAll } from 'vitest'

type Undo = () => Promise<void>

const undos: Undo[] = []

/** Runs after the last test of the file, latest first; a rejection fails the file. */
export function atEndOfFile(undo: Undo): void {
  undos.push(undo)
}

afterAll(async () => {
  const failures: unknown[] = []
  for (const undo of undos.splice(0).toReversed())
    await undo().catch((error: unknown) => failures.push(error))
  if (failures.length === 1) throw failures[0]
  if (failures.length > 1) throw new AggregateError(failures, 'several things could not be undone')
})
