import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { abortable, onAbort } from '../../src/abortable.ts'
import { NullCache } from '../../src/index.ts'
import { Latch } from '../latch.ts'

const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length

describe('a signal that many calls share', () => {
  test('has one listener for all of them, and none once they are done', async () => {
    const { signal } = new AbortController()
    const cache = new NullCache()
    const latch = new Latch()
    const calls = Array.from({ length: 50 }, (_, i) => [
      cache.getOrSet(`key ${i}`, () => latch.opened.then(() => i), { signal }),
      abortable(
        latch.opened.then(() => i),
        signal,
      ),
    ]).flat()
    expect(listenersOf(signal)).toBe(1)
    latch.open()
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 100 }, (_, i) => Math.floor(i / 2)))
    expect(listenersOf(signal)).toBe(0)
  })

  test('tells each of them once, but for those who no longer listen', () => {
    const controller = new AbortController()
    const told: string[] = []
    const listen = (name: string): (() => void) => onAbort(controller.signal, () => told.push(name))
    listen('first')
    const ignore = listen('left')
    listen('last')
    ignore()
    ignore()
    controller.abort()
    expect(told).toEqual(['first', 'last'])
    expect(listenersOf(controller.signal)).toBe(0)
  })

  test('is listened to again after all have left', () => {
    const controller = new AbortController()
    onAbort(controller.signal, () => {})()
    let told = 0
    const ignore = onAbort(controller.signal, () => told++)
    controller.abort()
    ignore()
    expect(told).toBe(1)
  })
})
