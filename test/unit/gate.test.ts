import { expect, test } from 'vitest'
import { Reporter } from '../../src/events.ts'
import { Gate } from '../../src/gate.ts'
import { ManualClock } from './memory/manual-clock.ts'

test('what fails on the way to the server does not tell other callers the key that it was about', async () => {
  const gate = new Gate(new ManualClock(), new Reporter('test'))
  const about = { call: 'increment', key: 'of somebody else' }
  const broken = (): Promise<never> => Promise.reject(new Error('socket hang up'))
  let error: unknown
  do error = await gate.pass('atomic', broken, 1, about).catch((reason: unknown) => reason)
  while (gate.admits)
  expect(error).toMatchObject({ message: expect.stringContaining('increment failed: ') })
  await expect(gate.pass('read', broken)).rejects.toMatchObject({
    message: expect.stringMatching(
      /^the circuit is open: nothing is sent .*, after: increment failed: (?!.*of somebody else)/,
    ),
  })
})
