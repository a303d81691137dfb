import { expect, test } from 'vitest'
import { DatabaseClock } from '../../../src/memory/database-clock.ts'

test('two clocks that run alike agree, however far apart they are', () => {
  const clock = new DatabaseClock()
  expect(clock.agrees(1_000_000, 0, 10)).toBe(true)
  expect(clock.agrees(1_001_000, 1_000, 1_010)).toBe(true)
})

test('a database clock set forward or back is noticed', () => {
  const forward = new DatabaseClock()
  forward.agrees(1_000_000, 0, 10)
  expect(forward.agrees(1_002_000, 1_000, 1_010)).toBe(false)

  const back = new DatabaseClock()
  back.agrees(1_000_000, 0, 10)
  expect(back.agrees(1_000_500, 1_000, 1_010)).toBe(false)
})

test('after a step the new time counts', () => {
  const clock = new DatabaseClock()
  clock.agrees(1_000_000, 0, 10)
  clock.agrees(2_000_000, 1_000, 1_010)
  expect(clock.agrees(2_001_000, 2_000, 2_010)).toBe(true)
})

test('a slow reply is not a step: the database read its clock somewhere between sending and receiving', () => {
  const clock = new DatabaseClock()
  clock.agrees(1_000_000, 0, 10)
  expect(clock.agrees(1_003_000, 1_000, 3_000)).toBe(true)
  expect(clock.agrees(1_001_000, 1_000, 3_000)).toBe(true)
})

test('steps too small to be seen one by one are seen together', () => {
  const clock = new DatabaseClock()
  const agreed: boolean[] = []
  for (let second = 0; second < 10; second++) {
    agreed.push(clock.agrees(1_000_000 + second * 1_030, second * 1_000, second * 1_000 + 1))
  }
  expect(agreed).toContain(false)
})

test('slewed clocks agree for hours', () => {
  const clock = new DatabaseClock()
  for (let minute = 0; minute < 600; minute++) {
    const local = minute * 60_000
    expect(clock.agrees(1_000_000 + local * 1.0005, local, local + 5)).toBe(true)
  }
})

test('a forgotten clock is not compared with', () => {
  const clock = new DatabaseClock()
  clock.agrees(1_000_000, 0, 10)
  clock.forget()
  expect(clock.agrees(9_000_000, 1_000, 1_010)).toBe(true)
})
