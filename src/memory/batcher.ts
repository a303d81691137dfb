// Turns calls into batches: what is added in one turn of the event loop goes out together, and while `maxConcurrent` batches are under way
// the next one gathers, until it is full. With exclusive keys a batch holds each key once and items of one kind only, and an item whose
// key is under way waits for the end of that batch, first come first served.

// Not the global one: whoever fakes that in a test would wait for ever.
import { setImmediate } from 'node:timers'
import { Failure, ManyWaiter, OneWaiter, Slot, type Waiter } from './batch-slot.ts'
import type { Budget } from './budget.ts'
import { ChurningMap } from './churning-map.ts'
import { SlotQueues } from './slot-queues.ts'

export interface BatcherOptions<Item, Reply> {
  /**
   * Replies in the order of the items. A Failure in the place of one concerns that item alone; a promise keeps that item,
   * and what waits for its key, without keeping its neighbours.
   */
  readonly run: (items: Item[]) => Promise<Replies<Reply>>
  readonly maxConcurrent: number
  /** Where each of them is full; not below `maxConcurrent`. */
  readonly maxConcurrentFull: number
  readonly maxItems: number
  readonly maxBytes: number
  readonly budget: Budget
  readonly bytesOf: (item: Item) => number
  readonly keyOf: (item: Item) => string
  /** Null: any items may go together, in any number of batches at once. */
  readonly exclusive: Exclusive<Item> | null
}

export type Replies<Reply> = readonly (Reply | Failure | Promise<Reply>)[]

export interface Exclusive<Item> {
  readonly kindOf: (item: Item) => string
  /** One item that does the work of both, the later one winning; undefined: they go one after the other. */
  readonly merge: (earlier: Item, later: Item) => Item | undefined
}

// Callers that come back together would go out in one batch for ever, and this process and the server would take turns instead of working at the
// same time: 64 callers that set do 0.7 times as much in one statement as in two. With fewer items the price of a second one is more than that.
const MIN_ITEMS_TO_SHARE = 32

export class Batcher<Item, Reply> {
  readonly #options: BatcherOptions<Item, Reply>
  readonly #flush: () => void
  readonly #queues: SlotQueues<Item, Reply>
  /** The last item of each key that is queued, waiting or under way. */
  readonly #last = new ChurningMap<Slot<Item, Reply>>()
  readonly #drained: (() => void)[] = []
  #order = 0
  #pending = 0
  #underWay = 0
  #scheduled = false
  #closed: Failure | undefined

  constructor(options: BatcherOptions<Item, Reply>) {
    this.#options = options
    this.#queues = new SlotQueues(options.maxItems, options.maxBytes)
    this.#flush = () => {
      this.#scheduled = false
      while (this.#maySend()) void this.#send(this.#share())
    }
  }

  /** Items that have no reply yet. */
  get pending(): number {
    return this.#pending
  }

  /** Rejects with `overloaded` past the budget. */
  add(item: Item): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.submit(item, new OneWaiter(resolve, reject))
    })
  }

  /** As add, for a waiter of the caller's own: no promise is made. Throws `overloaded` past the budget. */
  submit(item: Item, waiter: Waiter<Reply>): void {
    const { bytesOf, budget, keyOf } = this.#options
    if (this.#closed !== undefined) throw this.#closed.error
    const key = keyOf(item)
    const bytes = bytesOf(item)
    budget.take(bytes, key)
    this.#admit(item, key, bytes, waiter, 0)
    this.#wake()
  }

  /** Replies in the order of the items. All of them fit into the budget, or none is sent. */
  addMany(items: readonly Item[]): Promise<Reply[]> {
    return new Promise((resolve, reject) => {
      const { bytesOf, budget, keyOf } = this.#options
      if (this.#closed !== undefined) throw this.#closed.error
      const [first] = items
      if (first === undefined) return resolve([])
      budget.take(
        items.reduce((sum, item) => sum + bytesOf(item), 0),
        items.length === 1 ? keyOf(first) : undefined,
      )
      const waiter = new ManyWaiter(items.length, resolve, reject)
      for (const [i, item] of items.entries()) this.#admit(item, keyOf(item), bytesOf(item), waiter, i)
      this.#wake()
    })
  }

  /** Resolves once everything added so far, and meanwhile, has its reply. */
  drain(): Promise<void> {
    if (this.#pending === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#drained.push(resolve)
    })
  }

  /** Rejects what has not been sent, and whatever is added later; batches under way go on. */
  close(error: unknown): void {
    this.#closed = new Failure(error)
    for (const slot of this.#queues.takeAll()) this.#refuse(slot, this.#closed)
    this.#notifyDrained()
  }

  #admit(item: Item, key: string, bytes: number, waiter: Waiter<Reply>, index: number): void {
    const { exclusive } = this.#options
    const kind = exclusive === null ? '' : exclusive.kindOf(item)
    const slot = new Slot(item, key, kind, ++this.#order, bytes, waiter, index)
    this.#pending++
    if (exclusive === null) return this.#queues.push(slot)

    const last = this.#last.get(key)
    if (last !== undefined && this.#mergeInto(last, slot, exclusive)) return
    this.#last.set(key, slot)
    if (last === undefined) this.#queues.push(slot)
    else last.next = slot
  }

  #mergeInto(last: Slot<Item, Reply>, slot: Slot<Item, Reply>, { merge }: Exclusive<Item>): boolean {
    if (last.sent || last.kind !== slot.kind) return false
    const item = merge(last.item, slot.item)
    if (item === undefined) return false
    const { bytesOf, budget } = this.#options
    const bytes = bytesOf(item)
    budget.give(last.bytes + slot.bytes - bytes)
    last.item = item
    last.bytes = bytes
    slot.merged = last.merged
    last.merged = slot
    return true
  }

  #wake(): void {
    if (this.#scheduled || !this.#maySend()) return
    this.#scheduled = true
    // When all sockets and timers that are due have been served: what they ask for shares a statement. At the end of the
    // tick each of them would send one of its own (docs/architecture.md).
    setImmediate(this.#flush)
  }

  #maySend(): boolean {
    const { size } = this.#queues
    const { maxConcurrent, maxConcurrentFull, maxItems } = this.#options
    return size > 0 && this.#underWay < (size < maxItems ? maxConcurrent : maxConcurrentFull)
  }

  /** All that is queued; when it is much, its part of it among the batches that may go now. */
  #share(): number {
    const { size } = this.#queues
    if (size < MIN_ITEMS_TO_SHARE) return size
    return Math.ceil(size / Math.max(1, this.#options.maxConcurrent - this.#underWay))
  }

  async #send(wanted: number): Promise<void> {
    const slots = this.#queues.take(wanted)
    this.#underWay++
    let replies: Replies<Reply> | Failure
    try {
      replies = await this.#options.run(slots.map(itemToSend))
      if (replies.length !== slots.length) {
        replies = new Failure(new Error(`Expected ${slots.length} replies of a batch, got ${replies.length}`))
      }
    } catch (error) {
      replies = new Failure(error)
    }
    this.#underWay--
    this.#receive(slots, replies)
    this.#wake()
    this.#notifyDrained()
  }

  #receive(slots: Slot<Item, Reply>[], replies: Replies<Reply> | Failure): void {
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i] as Slot<Item, Reply>
      const reply = replies instanceof Failure ? replies : (replies[i] as Reply | Failure | Promise<Reply>)
      if (reply instanceof Promise) void this.#receiveLater(slot, reply)
      else this.#end(slot, reply)
    }
  }

  async #receiveLater(slot: Slot<Item, Reply>, reply: Promise<Reply>): Promise<void> {
    const settled = await reply.catch((error: unknown) => new Failure(error))
    this.#end(slot, settled)
    this.#wake()
    this.#notifyDrained()
  }

  #end(slot: Slot<Item, Reply>, reply: Reply | Failure): void {
    this.#release(slot)
    this.#settle(slot, reply)
    this.#options.budget.give(slot.bytes)
  }

  /** Lets the next item of the key go. */
  #release(slot: Slot<Item, Reply>): void {
    if (this.#options.exclusive === null) return
    if (slot.next === undefined) this.#last.delete(slot.key)
    else if (this.#closed === undefined) this.#queues.push(slot.next)
    else this.#refuse(slot.next, this.#closed)
  }

  #refuse(first: Slot<Item, Reply>, failure: Failure): void {
    for (let slot: Slot<Item, Reply> | undefined = first; slot !== undefined; slot = slot.next) {
      this.#options.budget.give(slot.bytes)
      this.#settle(slot, failure)
    }
    this.#last.delete(first.key)
  }

  #settle(slot: Slot<Item, Reply>, reply: Reply | Failure): void {
    for (let part: Slot<Item, Reply> | undefined = slot; part !== undefined; part = part.merged) {
      this.#pending--
      part.settle(reply)
    }
  }

  #notifyDrained(): void {
    if (this.#pending > 0) return
    for (const resolve of this.#drained.splice(0)) resolve()
  }
}

function itemToSend<Item, Reply>(slot: Slot<Item, Reply>): Item {
  slot.sent = true
  return slot.item
}
