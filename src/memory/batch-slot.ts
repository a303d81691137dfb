// One item on its way through a batcher, and who waits for its reply: a promise of its own, or a place in the array of
// an addMany. Slots instead of closures: this is made once for every read and write of a process.

/** In the place of a reply: this item failed, its neighbours did not. */
export class Failure {
  readonly error: unknown

  constructor(error: unknown) {
    this.error = error
  }
}

export class Slot<Item, Reply> {
  item: Item
  readonly key: string
  readonly kind: string
  readonly order: number
  bytes: number
  sent = false
  /** The next item of the same key, which waits for the end of this one's batch. */
  next: Slot<Item, Reply> | undefined = undefined
  /** An earlier item that was merged into this one and gets the same reply. */
  merged: Slot<Item, Reply> | undefined = undefined
  readonly #waiter: Waiter<Reply>
  readonly #index: number

  constructor(
    item: Item,
    key: string,
    kind: string,
    order: number,
    bytes: number,
    waiter: Waiter<Reply>,
    index = 0,
  ) {
    this.item = item
    this.key = key
    this.kind = kind
    this.order = order
    this.bytes = bytes
    this.#waiter = waiter
    this.#index = index
  }

  /** Whether both were added by one call. */
  isOneWith(other: Slot<Item, Reply>): boolean {
    return this.#waiter === other.#waiter
  }

  settle(reply: Reply | Failure): void {
    if (reply instanceof Failure) this.#waiter.fail(reply.error)
    else this.#waiter.receive(reply, this.#index)
  }
}

export interface Waiter<Reply> {
  receive(reply: Reply, index: number): void
  fail(error: unknown): void
}

export class OneWaiter<Reply> implements Waiter<Reply> {
  readonly receive: (reply: Reply) => void
  readonly fail: (error: unknown) => void

  constructor(resolve: (reply: Reply) => void, reject: (error: unknown) => void) {
    this.receive = resolve
    this.fail = reject
  }
}

/** Waits for all, also after a failure: when it rejects, nothing of it is under way any more. */
export class ManyWaiter<Reply> implements Waiter<Reply> {
  readonly #replies: Reply[]
  readonly #resolve: (replies: Reply[]) => void
  readonly #reject: (error: unknown) => void
  #left: number
  #failure: Failure | undefined

  constructor(count: number, resolve: (replies: Reply[]) => void, reject: (error: unknown) => void) {
    this.#replies = Array.from({ length: count })
    this.#left = count
    this.#resolve = resolve
    this.#reject = reject
  }

  receive(reply: Reply, index: number): void {
    this.#replies[index] = reply
    this.#count()
  }

  fail(error: unknown): void {
    this.#failure ??= new Failure(error)
    this.#count()
  }

  #count(): void {
    if (--this.#left > 0) return
    if (this.#failure === undefined) this.#resolve(this.#replies)
    else this.#reject(this.#failure.error)
  }
}
