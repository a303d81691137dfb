// What a batcher has not sent yet, in order of arrival, one queue for each kind: a batch is of one kind.

import type { Slot } from './batch-slot.ts'

interface Queue<Item, Reply> {
  slots: Slot<Item, Reply>[]
  /** Index of the first slot that is still there: taking from the front of an array would move all others. */
  head: number
}

export class SlotQueues<Item, Reply> {
  readonly #maxItems: number
  readonly #maxBytes: number
  readonly #byKind = new Map<string, Queue<Item, Reply>>()
  #size = 0

  constructor(maxItems: number, maxBytes: number) {
    this.#maxItems = maxItems
    this.#maxBytes = maxBytes
  }

  get size(): number {
    return this.#size
  }

  push(slot: Slot<Item, Reply>): void {
    this.#size++
    const queue = this.#byKind.get(slot.kind)
    if (queue === undefined) this.#byKind.set(slot.kind, { slots: [slot], head: 0 })
    else queue.slots.push(slot)
  }

  /**
   * The next batch: of the kind that has waited longest, within the bounds, at least one item. About `wanted` items: what
   * was added together goes together.
   */
  take(wanted: number): Slot<Item, Reply>[] {
    const queue = this.#longestWaiting()
    if (queue === undefined) return []
    const { slots, head } = queue
    const end = this.#endOfBatch(queue, wanted)
    this.#size -= end - head
    if (end < slots.length) {
      queue.head = end
      if (end > slots.length / 2) compact(queue)
      return slots.slice(head, end)
    }
    queue.slots = []
    queue.head = 0
    return head === 0 ? slots : slots.slice(head)
  }

  takeAll(): Slot<Item, Reply>[] {
    const all = [...this.#byKind.values()].flatMap(({ slots, head }) => slots.slice(head))
    this.#byKind.clear()
    this.#size = 0
    return all
  }

  #endOfBatch({ slots, head }: Queue<Item, Reply>, wanted: number): number {
    const most = Math.min(slots.length, head + this.#maxItems)
    let bytes = 0
    let former: Slot<Item, Reply> | undefined
    for (let end = head; end < most; end++) {
      const slot = slots[end] as Slot<Item, Reply>
      bytes += slot.bytes
      if (
        former !== undefined &&
        (bytes > this.#maxBytes || (end - head >= wanted && !slot.isOneWith(former)))
      )
        return end
      former = slot
    }
    return most
  }

  #longestWaiting(): Queue<Item, Reply> | undefined {
    let longest: Queue<Item, Reply> | undefined
    let order = Number.POSITIVE_INFINITY
    for (const queue of this.#byKind.values()) {
      const first = queue.slots[queue.head]
      if (first === undefined || first.order >= order) continue
      longest = queue
      order = first.order
    }
    return longest
  }
}

function compact<Item, Reply>(queue: Queue<Item, Reply>): void {
  queue.slots = queue.slots.slice(queue.head)
  queue.head = 0
}
