import { expect, test } from 'vitest'
import { Flights } from '../../../src/memory/flights.ts'

class CountingStart {
  readonly gates: PromiseWithResolvers<string>[] = []

  readonly start = (): Promise<string> => {
    const gate = withResolvers<string>()
    this.gates.push(gate)
    return gate.promise
  }
}

interface PromiseWithResolvers<T> {
  promise: Promise<T>
  resolve: (value: T) => void
  reject: (error: unknown) => void
}

function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve!: (value: T) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<T>((...both) => {
    ;[resolve, reject] = both
  })
  return { promise, resolve, reject }
}

test('callers of one key share a flight, callers of another do not', async () => {
  const flights = new Flights<string>()
  const counting = new CountingStart()
  const first = flights.join('a', counting.start)
  const second = flights.join('a', counting.start)
  const other = flights.join('b', counting.start)
  counting.gates[0]?.resolve('value of a')
  counting.gates[1]?.resolve('value of b')
  expect(await Promise.all([first, second, other])).toEqual(['value of a', 'value of a', 'value of b'])
  expect(counting.gates).toHaveLength(2)
  expect(flights.size).toBe(0)
})

test('who continues from a flight starts a new one', async () => {
  const flights = new Flights<number>()
  let starts = 0
  const start = async (): Promise<number> => ++starts
  expect(await flights.join('a', start)).toBe(1)
  expect(await flights.join('a', start)).toBe(2)
})

test('a failed flight is shared and then forgotten', async () => {
  const flights = new Flights<string>()
  const counting = new CountingStart()
  const both = [flights.join('a', counting.start), flights.join('a', counting.start)]
  counting.gates[0]?.reject(new Error('gone'))
  expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  void flights.join('a', counting.start)
  expect(counting.gates).toHaveLength(2)
})

test('later callers do not join a detached flight, and its end does not end theirs', async () => {
  const flights = new Flights<string>()
  const counting = new CountingStart()
  const before = flights.join('a', counting.start)
  flights.detach('a')
  const after = flights.join('a', counting.start)
  counting.gates[0]?.resolve('old')
  expect(await before).toBe('old')
  expect(flights.join('a', counting.start)).toBe(after)
  counting.gates[1]?.resolve('new')
  expect(await after).toBe('new')
})

test('detachAll concerns every key', () => {
  const flights = new Flights<string>()
  const counting = new CountingStart()
  void flights.join('a', counting.start)
  void flights.join('b', counting.start)
  flights.detachAll()
  void flights.join('a', counting.start)
  void flights.join('b', counting.start)
  expect(counting.gates).toHaveLength(4)
})
