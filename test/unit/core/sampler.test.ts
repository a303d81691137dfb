import { expect, test } from 'vitest'
import { Sampler } from '../../../src/core/sampler.ts'

test('a sampler picks the first and then one in so many', () => {
  const sampler = new Sampler(3)
  expect(Array.from({ length: 7 }, () => sampler.isDue())).toEqual([
    true,
    false,
    false,
    true,
    false,
    false,
    true,
  ])
})

test('a sampler of one picks them all', () => {
  const sampler = new Sampler(1)
  expect([sampler.isDue(), sampler.isDue()]).toEqual([true, true])
})
