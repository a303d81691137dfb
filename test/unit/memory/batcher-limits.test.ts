import { describe, expect, test } from 'vitest'
import { Budget } from '../../../src/memory/budget.ts'
import { exclusive, stage, turn, write, type Write } from './batcher-stage.ts'

describe('the budget', () => {
  test('past it an item is rejected with a typed error, and there is room again after a reply', async () => {
    const { backend, batcher } = stage({ budget: new Budget(100) })
    const first = batcher.add(write('a', 0, { bytes: 100 }))
    await expect(batcher.add(write('b'))).rejects.toMatchObject({
      code: 'overloaded',
      key: 'b',
      option: 'maxPending',
    })
    await turn()
    backend.batches[0]?.end()
    await first
    void batcher.add(write('b'))
    await turn()
    expect(backend.sent).toEqual(['a=0', 'b=0'])
  })

  test('an item larger than all of it is sent when nothing else is under way', async () => {
    const { backend, batcher } = stage({ budget: new Budget(100) })
    void batcher.add(write('a', 0, { bytes: 5_000 }))
    await turn()
    expect(backend.sent).toEqual(['a=0'])
  })

  test('many items fit as a whole or not at all', async () => {
    const budget = new Budget(100)
    const { backend, batcher } = stage({ budget })
    void batcher.add(write('a', 0, { bytes: 50 }))
    const items = Array.from({ length: 6 }, (_, i) => write(`k${i}`))
    await expect(batcher.addMany(items)).rejects.toMatchObject({ code: 'overloaded' })
    expect(budget.usedBytes).toBe(50)
    await turn()
    expect(backend.sent).toEqual(['a=0'])
  })

  test('is given back by a batch that fails', async () => {
    const { backend, batcher, budget } = stage()
    const reply = batcher.add(write('a'))
    await turn()
    backend.batches[0]?.fail(new Error('gone'))
    await expect(reply).rejects.toThrow('gone')
    expect(budget.usedBytes).toBe(0)
  })
})

describe('much at once', () => {
  const items = (count: number): Write[] => Array.from({ length: count }, (_, i) => write(`k${i}`))

  test('is shared among the batches that may go', async () => {
    const { backend, batcher } = stage({ maxConcurrent: 2, maxItems: 100 })
    for (const item of items(65)) void batcher.add(item)
    await turn()
    expect(backend.batches.map((batch) => batch.items.length)).toEqual([33, 32])
  })

  test('goes in one batch where only one may go', async () => {
    const { backend, batcher } = stage({ maxConcurrent: 2, maxItems: 100 })
    void batcher.add(write('before'))
    await turn()
    for (const item of items(64)) void batcher.add(item)
    await turn()
    expect(backend.batches.map((batch) => batch.items.length)).toEqual([1, 64])
  })

  test('stays together where one call added it', async () => {
    const { backend, batcher } = stage({ maxConcurrent: 2, maxItems: 100 })
    void batcher.add(write('before'))
    void batcher.addMany(items(64))
    void batcher.add(write('after'))
    await turn()
    expect(backend.batches.map((batch) => batch.items.length)).toEqual([65, 1])
  })

  test('is not worth a second statement below that', async () => {
    const { backend, batcher } = stage({ maxConcurrent: 2, maxItems: 100 })
    for (const item of items(31)) void batcher.add(item)
    await turn()
    expect(backend.batches.map((batch) => batch.items.length)).toEqual([31])
  })
})

describe('the end', () => {
  test('drain() waits for everything, also for what was added meanwhile', async () => {
    const { backend, batcher } = stage()
    await batcher.drain()
    void batcher.add(write('a'))
    let drained = false
    const draining = batcher.drain().finally(() => {
      drained = true
    })
    await turn()
    void batcher.add(write('b'))
    backend.batches[0]?.end()
    await turn()
    expect(drained).toBe(false)
    backend.batches[1]?.end()
    await draining
  })

  test('close() rejects what was not sent and lets the rest go on', async () => {
    const { backend, batcher, budget } = stage({ exclusive, maxItems: 1 })
    const names = ['sent', 'queued', 'sent', 'sent']
    const kinds = ['set', 'set', 'delete', 'set'] as const
    const first = batcher.add(write('sent', 1))
    await turn()
    const rest = names.slice(1).map((name, i) => batcher.add(write(name, i, { kind: kinds[i + 1] ?? 'set' })))
    const settled = Promise.allSettled([...rest, batcher.addMany([write('x'), write('y')])])
    batcher.close(new Error('closed'))
    await expect(batcher.add(write('late'))).rejects.toThrow('closed')
    await expect(batcher.addMany([write('late')])).rejects.toThrow('closed')
    backend.batches[0]?.end()
    expect(await first).toBe('sent=1')
    expect((await settled).map(({ status }) => status)).toEqual(Array(4).fill('rejected'))
    await batcher.drain()
    expect(backend.batches).toHaveLength(1)
    expect(budget.usedBytes).toBe(0)
  })
})
