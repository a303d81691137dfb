import { Batcher, type BatcherOptions, type Replies } from '../../../src/memory/batcher.ts'
import { Budget } from '../../../src/memory/budget.ts'

export interface Write {
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
export class GatedBackend {
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

export const exclusive: NonNullable<BatcherOptions<Write, string>['exclusive']> = {
  kindOf: ({ kind }) => kind,
  merge: (earlier, later) => (earlier.kind === 'set' && later.kind === 'set' ? later : undefined),
}

export interface Stage {
  readonly backend: GatedBackend
  readonly batcher: Batcher<Write, string>
  readonly budget: Budget
}

export function stage(options: Partial<BatcherOptions<Write, string>> = {}): Stage {
  const backend = new GatedBackend()
  const budget = new Budget(10_000)
  const batcher = new Batcher<Write, string>({
    run: backend.run,
    maxConcurrent: 1,
    maxConcurrentFull: options.maxConcurrent ?? 1,
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

export function write(key: string, value = 0, fields: Partial<Write> = {}): Write {
  return { key, kind: 'set', value, bytes: 10, ...fields }
}

/** What has happened is taken in, and the batches that follow from it are sent. */
export async function turn(): Promise<void> {
  // A batch is sent at the end of the turn in which the end of another one is noticed.
  for (let i = 0; i < 2; i++) await new Promise(setImmediate)
}
