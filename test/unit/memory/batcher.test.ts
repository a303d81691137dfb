import { describe, expect, test } from 'vitest'
import { Failure } from '../../../src/memory/batch-slot.ts'
import { Batcher, type BatcherOptions, type Replies } from '../../../src/memory/batcher.ts'
import { Budget } from '../../../src/memory/budget.ts'

interface Write {
  readonly key: string
  readonly kind: 'set' | 'delete'
  readonly value: number
  readonly bytes: number
}

interface Batch {
  readonly items: Write[]
  readonly end: (replies?: Replies<string>) => void
  readonly fail: (error: Error) => void
}

/** Batches stay under way until the test ends them. */
class GatedBackend {
  readonly batches: Batch[] = []

  readonly run = (items: Write[]): Promise<Replies<string>> =>
    new Promise((resolve, reject) => {
      const replies = items.map(({ key, value }) => `${key}=${value}`)
      this.batches.push({ items, end: (given = replies) => resolve(given), fail: reject })
    })

  get sent(): string[] {
    return this.batches.map(({ items }) => items.map(({ key, value }) => `${key}=${value}`).join(' '))
  }
}

const exclusive: NonNullable<BatcherOptions<Write, string>['exclusive']> = {
  kindOf: ({ kind }) => kind,
  merge: (earlier, later) => (earlier.kind === 'set' && later.kind === 'set' ? later : undefined),
}

function setup(options: Partial<BatcherOptions<Write, string>> = {}) {
  const backend = new GatedBackend()
  const budget = new Budget(10_000)
  const batcher = new Batcher<Write, string>({
    run: backend.run,
    maxConcurrent: 1,
    maxItems: 4,
    maxBytes: 1_000,
    budget,
    bytesOf: ({ bytes }) => bytes,
    keyOf: ({ key }) => key,
    exclusive: null,
    ...options,
  })
  return { backend, batcher, budget }
}

function write(key: string, value = 0, fields: Partial<Write> = {}): Write {
  return { key, kind: 'set', value, bytes: 10, ...fields }
}

const tick = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

describe('a batch', () => {
  test('holds what was added in one tick, also by callers that awaited something else first', async () => {
    const { backend, batcher } = setup()
    const replies = [batcher.add(write('a')), batcher.add(write('b'))]
    await Promise.resolve()
    replies.push(batcher.add(write('c')))
    await tick()
    expect(backend.sent).toEqual(['a=0 b=0 c=0'])
    backend.batches[0]?.end()
    expect(await Promise.all(replies)).toEqual(['a=0', 'b=0', 'c=0'])
  })

  test('gathers while as many are under way as may be', async () => {
    const { backend, batcher } = setup({ maxConcurrent: 2 })
    const replies: Promise<string>[] = []
    for (const key of ['a', 'b', 'c', 'd']) {
      replies.push(batcher.add(write(key)))
      await tick()
    }
    expect(backend.sent).toEqual(['a=0', 'b=0'])
    backend.batches[1]?.end()
    await tick()
    expect(backend.sent).toEqual(['a=0', 'b=0', 'c=0 d=0'])
    for (const batch of backend.batches) batch.end()
    expect(await Promise.all(replies)).toHaveLength(4)
  })

  test('holds at most maxItems and about maxBytes, in order', async () => {
    const { backend, batcher } = setup({ maxConcurrent: 9, maxItems: 3, maxBytes: 100 })
    for (const key of ['a', 'b', 'c', 'd']) void batcher.add(write(key))
    void batcher.add(write('large', 0, { bytes: 500 }))
    void batcher.add(write('e', 0, { bytes: 60 }))
    void batcher.add(write('f', 0, { bytes: 60 }))
    await tick()
    expect(backend.sent).toEqual(['a=0 b=0 c=0', 'd=0', 'large=0', 'e=0', 'f=0'])
  })

  test('that fails rejects its own items and no others', async () => {
    const { backend, batcher } = setup({ maxConcurrent: 2, maxItems: 1 })
    const replies = Promise.allSettled([
      batcher.add(write('a')),
      batcher.add(write('b')),
      batcher.add(write('c')),
    ])
    await tick()
    backend.batches[0]?.fail(new Error('gone'))
    backend.batches[1]?.end()
    await tick()
    backend.batches[2]?.end()
    expect((await replies).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled'])
  })

  test('in which one item failed rejects that item alone', async () => {
    const { backend, batcher } = setup()
    const replies = Promise.allSettled([batcher.add(write('a')), batcher.add(write('b'))])
    await tick()
    backend.batches[0]?.end(['ok', new Failure(new Error('bad value'))])
    expect(await replies).toEqual([
      { status: 'fulfilled', value: 'ok' },
      { status: 'rejected', reason: new Error('bad value') },
    ])
  })

  test('whose replies do not match its items is rejected as a whole', async () => {
    const { backend, batcher } = setup()
    const replies = Promise.allSettled([batcher.add(write('a')), batcher.add(write('b'))])
    await tick()
    backend.batches[0]?.end(['only one'])
    expect((await replies).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  })

  test('whose function throws at once is rejected like any other', async () => {
    const { batcher } = setup({
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
    const { backend, batcher } = setup({ maxConcurrent: 2 })
    const replies = batcher.addMany(['a', 'b', 'c', 'd', 'e'].map((key) => write(key)))
    await tick()
    backend.batches[1]?.end()
    backend.batches[0]?.end()
    expect(await replies).toEqual(['a=0', 'b=0', 'c=0', 'd=0', 'e=0'])
  })

  test('of nothing returns nothing', async () => {
    const { backend, batcher } = setup()
    expect(await batcher.addMany([])).toEqual([])
    expect(backend.batches).toEqual([])
  })

  test('that fails in part rejects only once nothing of it is under way', async () => {
    const { backend, batcher } = setup({ maxConcurrent: 2, maxItems: 1 })
    let settled = false
    const replies = batcher.addMany([write('a'), write('b')]).finally(() => {
      settled = true
    })
    await tick()
    backend.batches[0]?.fail(new Error('gone'))
    await tick()
    expect(settled).toBe(false)
    backend.batches[1]?.end()
    await expect(replies).rejects.toThrow('gone')
  })

  test('takes a hundred thousand items', async () => {
    const { batcher } = setup({
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

describe('exclusive keys', () => {
  test('an item whose key is under way waits for that batch, and its neighbours do not', async () => {
    const { backend, batcher } = setup({ exclusive, maxConcurrent: 3 })
    void batcher.add(write('a', 1))
    await tick()
    void batcher.add(write('a', 2, { kind: 'delete' }))
    void batcher.add(write('b', 2))
    await tick()
    expect(backend.sent).toEqual(['a=1', 'b=2'])
    backend.batches[0]?.end()
    await tick()
    expect(backend.sent).toEqual(['a=1', 'b=2', 'a=2'])
  })

  test('items of one key go one after the other, in order, and each has its own reply', async () => {
    const { backend, batcher } = setup({ exclusive: { ...exclusive, merge: () => undefined } })
    const replies = Promise.all([1, 2, 3].map((value) => batcher.add(write('a', value))))
    for (const batch of [0, 1, 2]) {
      await tick()
      backend.batches[batch]?.end()
    }
    expect(await replies).toEqual(['a=1', 'a=2', 'a=3'])
    expect(backend.sent).toEqual(['a=1', 'a=2', 'a=3'])
  })

  test('a failed batch lets the next item of its key go', async () => {
    const { backend, batcher } = setup({ exclusive })
    const first = batcher.add(write('a', 1))
    await tick()
    const second = batcher.add(write('a', 2))
    backend.batches[0]?.fail(new Error('gone'))
    await expect(first).rejects.toThrow('gone')
    await tick()
    backend.batches[1]?.end()
    expect(await second).toBe('a=2')
  })

  test('an item whose reply comes later keeps its key, and neither its neighbours nor the next batch', async () => {
    const { backend, batcher, budget } = setup({ exclusive })
    const late = batcher.add(write('a', 1))
    const neighbour = batcher.add(write('b', 1))
    await tick()
    const next = batcher.add(write('a', 2))
    const other = batcher.add(write('c', 2))
    let unlock = (_reply: string): void => {}
    backend.batches[0]?.end([new Promise<string>((resolve) => void (unlock = resolve)), 'b=1'])
    expect(await neighbour).toBe('b=1')
    await tick()
    backend.batches[1]?.end()
    expect(await other).toBe('c=2')
    expect(backend.sent).toEqual(['a=1 b=1', 'c=2'])

    unlock('a=1 after a while')
    expect(await late).toBe('a=1 after a while')
    await tick()
    backend.batches[2]?.end()
    expect(await next).toBe('a=2')
    expect(budget.usedBytes).toBe(0)
  })

  test('an item whose reply fails later is rejected alone', async () => {
    const { backend, batcher, budget } = setup({ exclusive })
    const replies = Promise.allSettled([batcher.add(write('a')), batcher.add(write('b'))])
    await tick()
    backend.batches[0]?.end([Promise.reject(new Error('locked')), 'b=0'])
    expect((await replies).map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
    expect(budget.usedBytes).toBe(0)
  })

  test('a batch is of one kind, and the kind that has waited longest goes first', async () => {
    const { backend, batcher } = setup({ exclusive })
    void batcher.add(write('a', 1))
    void batcher.add(write('b', 1, { kind: 'delete' }))
    void batcher.add(write('c', 1))
    void batcher.add(write('d', 1, { kind: 'delete' }))
    for (const batch of [0, 1]) {
      await tick()
      backend.batches[batch]?.end()
    }
    expect(backend.sent).toEqual(['a=1 c=1', 'b=1 d=1'])
  })

  test('of two sets that were not sent yet the last one wins, and both are told', async () => {
    const { backend, batcher, budget } = setup({ exclusive })
    const replies = Promise.all([
      batcher.add(write('a', 1, { bytes: 500 })),
      batcher.add(write('b', 1)),
      batcher.add(write('a', 2, { bytes: 20 })),
      batcher.add(write('a', 3, { bytes: 30 })),
    ])
    expect(budget.usedBytes).toBe(40)
    await tick()
    expect(backend.sent).toEqual(['a=3 b=1'])
    backend.batches[0]?.end()
    expect(await replies).toEqual(['a=3', 'b=1', 'a=3', 'a=3'])
    expect(budget.usedBytes).toBe(0)
    expect(batcher.pending).toBe(0)
  })

  test('sets that wait behind a batch under way are merged with each other, not with it', async () => {
    const { backend, batcher } = setup({ exclusive })
    const replies = [batcher.add(write('a', 1))]
    await tick()
    replies.push(batcher.add(write('a', 2)), batcher.add(write('a', 3)))
    backend.batches[0]?.end()
    await tick()
    backend.batches[1]?.end()
    expect(await Promise.all(replies)).toEqual(['a=1', 'a=3', 'a=3'])
  })

  test('a set is not merged past a delete', async () => {
    const { backend, batcher } = setup({ exclusive })
    void batcher.add(write('a', 1))
    void batcher.add(write('a', 2, { kind: 'delete' }))
    void batcher.add(write('a', 3))
    for (const batch of [0, 1, 2]) {
      await tick()
      backend.batches[batch]?.end()
    }
    expect(backend.sent).toEqual(['a=1', 'a=2', 'a=3'])
  })
})

describe('the budget', () => {
  test('past it an item is rejected with a typed error, and there is room again after a reply', async () => {
    const { backend, batcher } = setup({ budget: new Budget(100) })
    const first = batcher.add(write('a', 0, { bytes: 100 }))
    await expect(batcher.add(write('b'))).rejects.toMatchObject({
      code: 'overloaded',
      key: 'b',
      option: 'maxPending',
    })
    await tick()
    backend.batches[0]?.end()
    await first
    void batcher.add(write('b'))
    await tick()
    expect(backend.sent).toEqual(['a=0', 'b=0'])
  })

  test('an item larger than all of it is sent when nothing else is under way', async () => {
    const { backend, batcher } = setup({ budget: new Budget(100) })
    void batcher.add(write('a', 0, { bytes: 5_000 }))
    await tick()
    expect(backend.sent).toEqual(['a=0'])
  })

  test('many items fit as a whole or not at all', async () => {
    const budget = new Budget(100)
    const { backend, batcher } = setup({ budget })
    void batcher.add(write('a', 0, { bytes: 50 }))
    const items = Array.from({ length: 6 }, (_, i) => write(`k${i}`))
    await expect(batcher.addMany(items)).rejects.toMatchObject({ code: 'overloaded' })
    expect(budget.usedBytes).toBe(50)
    await tick()
    expect(backend.sent).toEqual(['a=0'])
  })

  test('is given back by a batch that fails', async () => {
    const { backend, batcher, budget } = setup()
    const reply = batcher.add(write('a'))
    await tick()
    backend.batches[0]?.fail(new Error('gone'))
    await expect(reply).rejects.toThrow('gone')
    expect(budget.usedBytes).toBe(0)
  })
})

describe('the end', () => {
  test('drain() waits for everything, also for what was added meanwhile', async () => {
    const { backend, batcher } = setup()
    await batcher.drain()
    void batcher.add(write('a'))
    let drained = false
    const draining = batcher.drain().finally(() => {
      drained = true
    })
    await tick()
    void batcher.add(write('b'))
    backend.batches[0]?.end()
    await tick()
    expect(drained).toBe(false)
    backend.batches[1]?.end()
    await draining
  })

  test('close() rejects what was not sent and lets the rest go on', async () => {
    const { backend, batcher, budget } = setup({ exclusive, maxItems: 1 })
    const names = ['sent', 'queued', 'sent', 'sent']
    const kinds = ['set', 'set', 'delete', 'set'] as const
    const first = batcher.add(write('sent', 1))
    await tick()
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
