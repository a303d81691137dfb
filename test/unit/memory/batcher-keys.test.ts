import { describe, expect, test } from 'vitest'
import { exclusive, stage, turn, write } from './batcher-stage.ts'

describe('exclusive keys', () => {
  test('an item whose key is under way waits for that batch, and its neighbours do not', async () => {
    const { backend, batcher } = stage({ exclusive, maxConcurrent: 3 })
    void batcher.add(write('a', 1))
    await turn()
    void batcher.add(write('a', 2, { kind: 'delete' }))
    void batcher.add(write('b', 2))
    await turn()
    expect(backend.sent).toEqual(['a=1', 'b=2'])
    backend.batches[0]?.end()
    await turn()
    expect(backend.sent).toEqual(['a=1', 'b=2', 'a=2'])
  })

  test('items of one key go one after the other, in order, and each has its own reply', async () => {
    const { backend, batcher } = stage({ exclusive: { ...exclusive, merge: () => undefined } })
    const replies = Promise.all([1, 2, 3].map((value) => batcher.add(write('a', value))))
    for (const batch of [0, 1, 2]) {
      await turn()
      backend.batches[batch]?.end()
    }
    expect(await replies).toEqual(['a=1', 'a=2', 'a=3'])
    expect(backend.sent).toEqual(['a=1', 'a=2', 'a=3'])
  })

  test('a failed batch lets the next item of its key go', async () => {
    const { backend, batcher } = stage({ exclusive })
    const first = batcher.add(write('a', 1))
    await turn()
    const second = batcher.add(write('a', 2))
    backend.batches[0]?.fail(new Error('gone'))
    await expect(first).rejects.toThrow('gone')
    await turn()
    backend.batches[1]?.end()
    expect(await second).toBe('a=2')
  })

  test('an item whose reply comes later keeps its key, and neither its neighbours nor the next batch', async () => {
    const { backend, batcher, budget } = stage({ exclusive })
    const late = batcher.add(write('a', 1))
    const neighbour = batcher.add(write('b', 1))
    await turn()
    const next = batcher.add(write('a', 2))
    const other = batcher.add(write('c', 2))
    let unlock = (_reply: string): void => {}
    backend.batches[0]?.end([new Promise<string>((resolve) => void (unlock = resolve)), 'b=1'])
    expect(await neighbour).toBe('b=1')
    await turn()
    backend.batches[1]?.end()
    expect(await other).toBe('c=2')
    expect(backend.sent).toEqual(['a=1 b=1', 'c=2'])

    unlock('a=1 after a while')
    expect(await late).toBe('a=1 after a while')
    await turn()
    backend.batches[2]?.end()
    expect(await next).toBe('a=2')
    expect(budget.usedBytes).toBe(0)
  })

  test('an item whose reply fails later is rejected alone', async () => {
    const { backend, batcher, budget } = stage({ exclusive })
    const replies = Promise.allSettled([batcher.add(write('a')), batcher.add(write('b'))])
    await turn()
    backend.batches[0]?.end([Promise.reject(new Error('locked')), 'b=0'])
    expect((await replies).map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
    expect(budget.usedBytes).toBe(0)
  })

  test('a batch is of one kind, and the kind that has waited longest goes first', async () => {
    const { backend, batcher } = stage({ exclusive })
    void batcher.add(write('a', 1))
    void batcher.add(write('b', 1, { kind: 'delete' }))
    void batcher.add(write('c', 1))
    void batcher.add(write('d', 1, { kind: 'delete' }))
    for (const batch of [0, 1]) {
      await turn()
      backend.batches[batch]?.end()
    }
    expect(backend.sent).toEqual(['a=1 c=1', 'b=1 d=1'])
  })

  test('of two sets that were not sent yet the last one wins, and both are told', async () => {
    const { backend, batcher, budget } = stage({ exclusive })
    const replies = Promise.all([
      batcher.add(write('a', 1, { bytes: 500 })),
      batcher.add(write('b', 1)),
      batcher.add(write('a', 2, { bytes: 20 })),
      batcher.add(write('a', 3, { bytes: 30 })),
    ])
    expect(budget.usedBytes).toBe(40)
    await turn()
    expect(backend.sent).toEqual(['a=3 b=1'])
    backend.batches[0]?.end()
    expect(await replies).toEqual(['a=3', 'b=1', 'a=3', 'a=3'])
    expect(budget.usedBytes).toBe(0)
    expect(batcher.pending).toBe(0)
  })

  test('sets that wait behind a batch under way are merged with each other, not with it', async () => {
    const { backend, batcher } = stage({ exclusive })
    const replies = [batcher.add(write('a', 1))]
    await turn()
    replies.push(batcher.add(write('a', 2)), batcher.add(write('a', 3)))
    backend.batches[0]?.end()
    await turn()
    backend.batches[1]?.end()
    expect(await Promise.all(replies)).toEqual(['a=1', 'a=3', 'a=3'])
  })

  test('a set is not merged past a delete', async () => {
    const { backend, batcher } = stage({ exclusive })
    void batcher.add(write('a', 1))
    void batcher.add(write('a', 2, { kind: 'delete' }))
    void batcher.add(write('a', 3))
    for (const batch of [0, 1, 2]) {
      await turn()
      backend.batches[batch]?.end()
    }
    expect(backend.sent).toEqual(['a=1', 'a=2', 'a=3'])
  })
})
