import { expect, test } from 'vitest'
import { Circuit } from '../../../src/memory/circuit.ts'
import { ManualClock } from './manual-clock.ts'

function setup({ random = (): number => 0 } = {}) {
  const clock = new ManualClock()
  const log: string[] = []
  const circuit = new Circuit({
    clock,
    threshold: 3,
    random,
    onOpened: () => void log.push('opened'),
    onClosed: () => void log.push('closed'),
  })
  return { circuit, clock, log }
}

test('opens after as many consecutive failures as the threshold says', () => {
  const { circuit, log } = setup()
  circuit.failed('unreachable')
  circuit.failed('unreachable')
  circuit.succeeded()
  circuit.failed('unreachable')
  circuit.failed('unreachable')
  expect(circuit.admit()).toBe(true)
  circuit.failed('unreachable')
  expect(circuit.admit()).toBe(false)
  expect(log).toEqual(['opened'])
})

test('opens at once when the server refuses connections', () => {
  const { circuit } = setup()
  circuit.failed('refused')
  expect(circuit.state).toBe('open')
})

test('admits one probe after the backoff, and closes when it succeeds', () => {
  const { circuit, clock, log } = setup()
  circuit.failed('refused')
  clock.advance(99)
  expect(circuit.admit()).toBe(false)
  clock.advance(1)
  expect(circuit.admit()).toBe(true)
  expect(circuit.state).toBe('half-open')
  expect(circuit.admit()).toBe(false)
  circuit.succeeded()
  expect(circuit.admit()).toBe(true)
  expect(log).toEqual(['opened', 'closed'])
})

test('doubles the backoff with every failed probe, up to a second, and starts over after a success', () => {
  const { circuit, clock } = setup()
  circuit.failed('refused')
  const waits: number[] = []
  for (let probe = 0; probe < 8; probe++) {
    waits.push(circuit.retryInMs)
    clock.advance(circuit.retryInMs)
    circuit.admit()
    circuit.failed('unreachable')
  }
  expect(waits).toEqual([100, 200, 400, 800, 1_000, 1_000, 1_000, 1_000])
  circuit.succeeded()
  expect(circuit.retryInMs).toBe(0)
  circuit.failed('refused')
  expect(circuit.retryInMs).toBe(100)
})

test('admits nobody beside a probe that has not reported, for five seconds', () => {
  const { circuit, clock } = setup()
  circuit.failed('refused')
  clock.advance(100)
  expect(circuit.admit()).toBe(true)
  clock.advance(4_999)
  expect(circuit.admit()).toBe(false)
  clock.advance(1)
  expect(circuit.admit()).toBe(true)
  circuit.failed('unreachable')
  expect(circuit.retryInMs).toBe(200)
})

test('calls admitted before it opened do not lengthen the backoff when they fail', () => {
  const { circuit } = setup()
  circuit.failed('refused')
  for (let call = 0; call < 50; call++) circuit.failed('unreachable')
  expect(circuit.retryInMs).toBe(100)
})

test('jitter takes off up to half of the backoff', () => {
  const { circuit } = setup({ random: () => 0.999 })
  circuit.failed('refused')
  expect(circuit.retryInMs).toBeGreaterThan(50)
  expect(circuit.retryInMs).toBeLessThan(51)
})

test('a wall clock that is set back does not keep it open', () => {
  const { circuit, clock } = setup()
  circuit.failed('refused')
  clock.step(-3_600_000)
  clock.advance(100)
  expect(circuit.admit()).toBe(true)
})
