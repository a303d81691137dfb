// A sync, as src/sync.ts makes it: one at a time, and its reply may be late.

import type { Change } from '../../src/core/change.ts'
import type { Instant } from '../../src/memory/lease.ts'
import type { Fate } from './family.ts'
import type { Process } from './process.ts'
import type { Request } from './request.ts'

interface Seen {
  readonly snapshot: number
  readonly world: number
  readonly databaseNow: number
  readonly at: number
  readonly freezes: number
  /** Of the transactions of callers. */
  readonly ended: ReadonlySet<number>
}

export class SyncRequest implements Request {
  readonly #process: Process
  readonly #sentAt: Instant
  /** What sync() has promised its caller; null for a renewal. */
  readonly #promised: number | null
  #seen: Seen | undefined

  constructor(process: Process, kind: 'renew' | 'sync') {
    this.#process = process
    process.isInDoubtAgain = false
    this.#sentAt = process.local.beginSync()
    this.#promised = kind === 'sync' ? process.store.snapshot : null
  }

  next(): readonly Fate[] {
    return this.#seen === undefined
      ? ['see', 'recovery', 'fail']
      : ['answer', 'reversed', 'gap', 'no world', 'fail']
  }

  happen(what: Fate): boolean {
    if (what === 'see') {
      this.#see()
      return true
    }
    this.#process.isSyncing = false
    if (what === 'recovery') this.#refuse()
    else if (what !== 'fail') this.#answer(this.#seen as Seen, what)
    return false
  }

  state(): string {
    const seen = this.#seen
    const told = seen && `${seen.snapshot} ${seen.world} ${[...seen.ended].join()} ${seen.databaseNow}`
    return `sync ${this.#sentAt.wall} ${this.#promised} ${told}`
  }

  #see(): void {
    const { store, touched, clock } = this.#process
    this.#seen = {
      snapshot: store.snapshot,
      world: store.world,
      databaseNow: clock.database(),
      at: clock.now,
      freezes: clock.freezes,
      ended: new Set([...touched].filter(([, { isOver }]) => isOver).map(([id]) => id)),
    }
  }

  #refuse(): void {
    this.#process.world = null
    this.#process.local.lapse()
    this.#process.promises.inRecovery(true)
  }

  #answer({ snapshot, world, databaseNow, at, freezes, ended }: Seen, how: Fate): void {
    const { local, store, promises, clock } = this.#process
    const continues = how === 'answer' || how === 'reversed'
    const numbers = continues ? store.toldBetween(this.#process.cursor, snapshot) : []
    const changes = numbers.map((number) => store.log[number - 1]?.told as Change)
    const told = how === 'no world' ? null : world
    const continuesWorld = told !== null && told === this.#process.toldWorld

    const finished = this.#takeFinished(ended, told)
    this.#process.cursor = snapshot
    this.#process.world = told
    this.#process.toldWorld = told
    if (told !== null) this.#process.lastWorld = told
    this.#process.isInDoubt = this.#process.isInDoubtAgain
    local.synced({
      sentAt: this.#sentAt,
      world: told === null ? null : String(told),
      cursor: continues ? 'continued' : 'gap',
      changes: how === 'reversed' ? changes.toReversed() : changes,
      databaseNow,
      finished,
    })
    // Nobody can call any more; only what was under way goes on.
    if (this.#process.isClosed) return
    promises.inRecovery(told === null)
    // A sync that was slow can hide as much of a freeze.
    if (freezes === clock.freezes && at === clock.now) promises.underFreeze(false)
    for (const number of numbers) promises.told(number)
    if (how === 'gap' || (told !== null && !continuesWorld)) promises.toldAll(snapshot)
    if (this.#promised === null) return
    local.detachAll()
    promises.toldAll(this.#promised)
  }

  // What was open in another world is gone.
  #takeFinished(ended: ReadonlySet<number>, told: number | null): string[] {
    const { touched, lastWorld } = this.#process
    const isOtherWorld = told !== null && lastWorld !== null && told !== lastWorld
    const finished = [...touched].filter(([id]) => isOtherWorld || ended.has(id))
    for (const [id] of finished) touched.delete(id)
    return finished.map(([id]) => String(id))
  }
}
