import { describe, expect, test } from 'vitest'
import { Failure } from '../../../src/memory/batch-slot.ts'
import { Budget } from '../../../src/memory/budget.ts'
import { exclusive, stage, turn, write } from './batcher-stage.ts'

describe('a batch', () => {
  test('holds what was added in one turn of the event loop, whichever callback it comes from', async () => {
    const { backend, batcher } = stage()
    const replies = [batcher.add(write('a')), batcher.add(write('b'))]
    await Promise.resolve()
    replies.push(batcher.add(write('c')))
    await new Promise<void>((resolve) => {
      process.nextTick(() => {
        replies.push(batcher.add(write('d')))
        resolve()
      })
    })
    await turn()
    expect(backend.sent).toEqual(['a=0 b=0 c=0 d=0'])
    backend.batches[0]?.end()
    expect(await Promise.all(replies)).toEqual(['a=0', 'b=0', 'c=0', 'd=0'])
  })

  test('gathers while as many are under way as may be', async () => {
    const { backend, batcher } = stage({ maxConcurrent: 2 })
    const replies: Promise<string>[] = []
    for (const key of ['a', 'b', 'c', 'd']) {
      replies.push(batcher.add(write(key)))
      await turn()
    }
    expect(backend.sent).toEqual(['a=0', 'b=0'])
    backend.batches[1]?.end()
    await turn()
    expect(backend.sent).toEqual(['a=0', 'b=0', 'c=0 d=0'])
    for (const batch of backend.batches) batch.end()
    expect(await Promise.all(replies)).toHaveLength(4)
  })

  test('goes out beside as many as may be once it is full, up to another bound', async () => {
    const { backend, batcher } = stage({ maxConcurrent: 1, maxConcurrentFull: 2, maxItems: 2 })
    const replies: Promise<string>[] = []
    const add = async (...keys: string[]): Promise<void> => {
      replies.push(...keys.map((key) => batcher.add(write(key))))
      await turn()
    }
    await add('a')
    await add('b')
    expect(backend.sent).toEqual(['a=0'])
    await add('c')
    expect(backend.sent).toEqual(['a=0', 'b=0 c=0'])
    await add('d', 'e', 'f')
    expect(backend.sent).toHaveLength(2)
    backend.batches[1]?.end()
    await turn()
    expect(backend.sent).toEqual(['a=0', 'b=0 c=0', 'd=0 e=0'])
    backend.batches[2]?.end()
    await turn()
    expect(backend.sent).toHaveLength(3)
    backend.batches[0]?.end()
    await turn()
    backend.batches[3]?.end()
    expect(await Promise.all(replies)).toHaveLength(6)
  })

  test('holds at most maxItems and about maxBytes, in order', async () => {
    const { backend, batcher } = stage({ maxConcurrent: 9, maxItems: 3, maxBytes: 100 })
    for (const key of ['a', 'b', 'c', 'd']) void batcher.add(write(key))
    void batcher.add(write('large', 0, { bytes: 500 }))
    void batcher.add(write('e', 0, { bytes: 60 }))
    void batcher.add(write('f', 0, { bytes: 60 }))
    await turn()
    expect(backend.sent).toEqual(['a=0 b=0 c=0', 'd=0', 'large=0', 'e=0', 'f=0'])
  })

  test('that fails rejects its own items and no others', async () => {
    const { backend, batcher } = stage({ maxConcurrent: 2, maxItems: 1 })
    const replies = Promise.allSettled([
      batcher.add(write('a')),
      batcher.add(write('b')),
      batcher.add(write('c')),
    ])
    await turn()
    backend.batches[0]?.fail(new Error('gone'))
    backend.batches[1]?.end()
    await turn()
    backend.batches[2]?.end()
    expect((await replies).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled'])
  })

  test('in which one item failed rejects that item alone', async () => {
    const { backend, batcher } = stage()
    const replies = Promise.allSettled([batcher.add(write('a')), batcher.add(write('b'))])
    await turn()
    backend.batches[0]?.end(['ok', new Failure(new Error('bad value'))])
    expect(await replies).toEqual([
      { status: 'fulfilled', value: 'ok' },
      { status: 'rejected', reason: new Error('bad value') },
    ])
  })

  test('whose replies do not match its items is rejected as a whole', async () => {
    const { backend, batcher } = stage()
    const replies = Promise.allSettled([batcher.add(write('a')), batcher.add(write('b'))])
    await turn()
    backend.batches[0]?.end(['only one'])
    expect((await replies).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  })

  test('whose function throws at once is rejected like any other', async () => {
    const { batcher } = stage({
      run: () => {
        throw new Error('not connected')
      },
    })
    await expect(batcher.add(write('a'))).rejects.toThrow('not connected')
    await batcher.drain()
  })
})

describe('addMany', () => {
  test('returns replies in the order of the items over several batches', async () => {
    const { backend, batcher } = stage({ maxConcurrent: 2 })
    const replies = batcher.addMany(['a', 'b', 'c', 'd', 'e'].map((key) => write(key)))
    await turn()
    backend.batches[1]?.end()
    backend.batches[0]?.end()
    expect(await replies).toEqual(['a=0', 'b=0', 'c=0', 'd=0', 'e=0'])
  })

  test('of nothing returns nothing', async () => {
    const { backend, batcher } = stage()
    expect(await batcher.addMany([])).toEqual([])
    expect(backend.batches).toEqual([])
  })

  test('that fails in part rejects only once nothing of it is under way', async () => {
    const { backend, batcher } = stage({ maxConcurrent: 2, maxItems: 1 })
    let settled = false
    const replies = batcher.addMany([write('a'), write('b')]).finally(() => {
      settled = true
    })
    await turn()
    backend.batches[0]?.fail(new Error('gone'))
    await turn()
    expect(settled).toBe(false)
    backend.batches[1]?.end()
    await expect(replies).rejects.toThrow('gone')
  })

  test('takes a hundred thousand items', async () => {
    const { batcher } = stage({
      run: async (items) => items.map(({ key }) => key),
      budget: new Budget(10_000_000),
      maxItems: 512,
      maxBytes: 1e9,
      exclusive,
    })
    const keys = Array.from({ length: 100_000 }, (_, i) => String(i))
    expect(await batcher.addMany(keys.map((key) => write(key)))).toEqual(keys)
  })
})
