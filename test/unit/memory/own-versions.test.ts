import { expect, test } from 'vitest'
import { change, KEY, present, stage, WORLD } from './coherence-stage.ts'

test('an own version that was taken in is no news, until a sync that begins later has told of it', () => {
  const { coherence, held, read, sync } = stage()
  read('2')
  coherence.acknowledged(WORLD, '2')
  read('3')
  coherence.apply(change('2', { keys: [KEY] }))
  expect(held()).toBe('3')
  sync({ changes: [change('2', { keys: [KEY] })] })
  expect(held()).toBe('3')
  expect(coherence.own.flat()).toEqual([])
})

test('what others wrote is news', () => {
  const { coherence, held, read } = stage()
  read('3')
  coherence.acknowledged(WORLD, '2')
  coherence.apply(change('1', { keys: [KEY] }))
  expect(held()).toBeUndefined()
})

test('an own version of another world is news in this one, which gives the same ids to others', () => {
  const { coherence, held, read } = stage()
  read('3')
  coherence.acknowledged('another', '2')
  coherence.apply(change('2', { keys: [KEY] }))
  expect(held()).toBeUndefined()
})

test('a new world forgets the own versions of the one before', () => {
  const { coherence, held, read, sync } = stage()
  read('2')
  coherence.acknowledged(WORLD, '2')
  sync({ world: 'another' })
  const token = coherence.open(KEY)
  coherence.settle(token, { ...present(token, '3'), world: 'another' })
  expect(held()).toBe('3')
  coherence.apply(change('2', { keys: [KEY] }))
  expect(held()).toBeUndefined()
})

test('no more than some thousand are remembered while nobody syncs', () => {
  const { coherence } = stage()
  for (let i = 0; i < 100_000; i++) coherence.acknowledged(WORLD, String(i))
  expect(coherence.own.flat().length).toBeLessThanOrEqual(10_000)
  expect(coherence.own.flat()).toContain('99999')
})
