import { expect, test } from 'vitest'
import { Turns } from '../../../src/memory/turns.ts'
import { Latch } from '../../latch.ts'

test('at most so many at a time, the others in order, and a failure ends a turn as well', async () => {
  const turns = new Turns(2)
  const begun: number[] = []
  const latches = Array.from({ length: 5 }, () => new Latch())
  const taken = latches.map((latch, i) =>
    turns.take(async () => {
      begun.push(i)
      await latch.opened
      if (i === 1) throw new Error('failed')
      return i
    }),
  )
  const settled = Promise.allSettled(taken)
  expect(begun).toEqual([0, 1])
  latches[1]?.open()
  await expect(taken[1]).rejects.toThrow('failed')
  await expect.poll(() => begun).toEqual([0, 1, 2])
  for (const latch of latches) latch.open()
  await settled
  expect(begun).toEqual([0, 1, 2, 3, 4])
  expect(await turns.take(async () => 'free again')).toBe('free again')
})
