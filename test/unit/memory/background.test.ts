import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Background } from '../../../src/memory/background.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

function setup() {
  const errors: unknown[] = []
  return { background: new Background((error) => void errors.push(error)), errors }
}

test('every() runs again and again until it is cancelled', async () => {
  const { background } = setup()
  const work = vi.fn<() => void>()
  const cancel = background.every(100, work)
  await vi.advanceTimersByTimeAsync(350)
  cancel()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(work).toHaveBeenCalledTimes(3)
})

test('every() does not run twice at once', async () => {
  const { background } = setup()
  let finish = (): void => {}
  const work = vi.fn<() => Promise<void>>(() => new Promise((resolve) => void (finish = resolve)))
  background.every(100, work)
  await vi.advanceTimersByTimeAsync(500)
  expect(work).toHaveBeenCalledTimes(1)
  finish()
  await vi.advanceTimersByTimeAsync(100)
  expect(work).toHaveBeenCalledTimes(2)
  finish()
  await background.close()
})

test('once() runs once, and not at all when cancelled', async () => {
  const { background } = setup()
  const kept = vi.fn<() => void>()
  const cancelled = vi.fn<() => void>()
  background.once(100, kept)
  background.once(100, cancelled)()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(kept).toHaveBeenCalledTimes(1)
  expect(cancelled).not.toHaveBeenCalled()
})

test('a failure is reported, never thrown, even when reporting fails too', async () => {
  const { background, errors } = setup()
  await background.run(() => Promise.reject(new Error('rejected')))
  await background.run(() => {
    throw new Error('thrown')
  })
  const own: unknown[] = []
  await background.run(
    () => Promise.reject(new Error('own')),
    (error) => void own.push(error),
  )
  await background.run(
    () => Promise.reject(new Error('lost')),
    () => {
      throw new Error('in the report')
    },
  )
  expect(errors).toEqual([new Error('rejected'), new Error('thrown')])
  expect(own).toEqual([new Error('own')])
})

test('a failure does not end a repetition', async () => {
  const { background, errors } = setup()
  background.every(100, () => Promise.reject(new Error('again')))
  await vi.advanceTimersByTimeAsync(300)
  expect(errors).toHaveLength(3)
})

test('close() cancels the timers and waits for what is running and what that starts', async () => {
  const { background } = setup()
  const never = vi.fn<() => void>()
  background.every(100, never)
  background.once(100, never)
  let finish = (): void => {}
  void background.run(() => new Promise<void>((resolve) => void (finish = resolve)))
  let closed = false
  const closing = background.close().finally(() => {
    closed = true
  })
  await vi.advanceTimersByTimeAsync(1_000)
  expect(closed).toBe(false)
  finish()
  await closing
  expect(never).not.toHaveBeenCalled()
  expect(vi.getTimerCount()).toBe(0)
})

test('after close() nothing starts', async () => {
  const { background } = setup()
  await background.close()
  const never = vi.fn<() => void>()
  background.every(1, never)()
  background.once(1, never)()
  await background.run(never)
  await vi.advanceTimersByTimeAsync(100)
  expect(never).not.toHaveBeenCalled()
})

test('its timers keep no process alive', () => {
  vi.useRealTimers()
  const { background } = setup()
  const unref = vi.spyOn(Object.getPrototypeOf(setTimeout(() => {}, 0)) as NodeJS.Timeout, 'unref')
  background.every(60_000, () => {})
  background.once(60_000, () => {})
  expect(unref).toHaveBeenCalledTimes(2)
  unref.mockRestore()
  return background.close()
})
