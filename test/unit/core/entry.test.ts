import { expect, test } from 'vitest'
import { isFresh } from '../../../src/core/entry.ts'

test.each([
  [Number.POSITIVE_INFINITY, true],
  [0.5, true],
  [0, false],
  [-1, false],
])('an entry with %d ms left is fresh: %s', (freshMs, fresh) => {
  expect(isFresh({ freshMs })).toBe(fresh)
})
