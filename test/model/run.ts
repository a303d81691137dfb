// One history of a process, the store and everybody else, from the first sync on.

import type { Change } from '../../src/core/change.ts'
import { AbstractStore, isWrite, type Open, showOpen, type Step } from './abstract-store.ts'
import { type Cause, type Event, type Family, type Fate, FATES } from './family.ts'
import { forgeries } from './forgeries.ts'
import type { MemoryCode } from './memory-code.ts'
import { ModelClock } from './model-clock.ts'
import { Process } from './process.ts'
import { Promises, Violation } from './promises.ts'

const CHECK_PERIOD_MS = 100
const ASKING = ['get', 'get fresh', 'get alone', 'get or set', 'set'] as const

export class Run {
  readonly #family: Family
  readonly #clock = new ModelClock()
  readonly #store: AbstractStore
  readonly #promises: Promises
  readonly #process: Process
  /** Open transactions of other processes. */
  readonly #foreign = new Map<number, Open>()
  readonly #causes: readonly Cause[]
  readonly #left: Partial<Record<Cause | Fate, number>> = {}
  #begun = 0

  constructor(family: Family, code: MemoryCode) {
    this.#family = family
    this.#store = new AbstractStore(this.#clock, family.ttlMs)
    this.#promises = new Promises(this.#store, this.#clock, family.maxStalenessMs)
    const [store, promises, clock] = [this.#store, this.#promises, this.#clock]
    this.#process = new Process({ code, family, store, promises, clock })
    this.#process.sync('renew')
    this.#process.finishSync()
    for (const event of family.before) this.happen(event)
    Object.assign(this.#left, family.bounds)
    const bounded = Object.keys(family.bounds) as (Cause | Fate)[]
    this.#causes = bounded.filter((what) => !isFate(what))
  }

  happen([what, which]: Event): void {
    const left = this.#left[what]
    if (left !== undefined) this.#left[what] = left - 1
    if (isFate(what)) this.#process.move(which, what)
    else this.#cause(what, which)
  }

  /** Everything that can happen next; nothing, where nobody can be answered any more. */
  events(): Event[] {
    const events: Event[] = []
    if (!this.#process.canAnswer && !ASKING.some((what) => this.#isLeft(what))) return events
    for (const [id, request] of this.#process.requests) {
      for (const fate of request.next()) {
        if (FATES[fate] === 'usual' || this.#isLeft(fate)) events.push([fate, id])
      }
    }
    for (const what of this.#causes) {
      if (this.#isLeft(what)) for (const which of this.#choices(what)) events.push([what, which])
    }
    for (const [id, open] of this.#foreign) {
      if (this.#store.canCommit(open)) events.push(['finish foreign', id])
    }
    for (const id of this.#openTouched()) events.push(['commit', id])
    return events
  }

  /** Holds whatever the local cache would serve against the promises. Returns how many entries that were. */
  lookAtHits(): number {
    this.#process.lookAtLease()
    const hits = this.#family.keys.filter((key) => this.#process.hit(key)).length
    for (const key of this.#family.keys) this.#process.lastKnown(key)
    return hits
  }

  /** Syncs, and holds whatever the local cache would serve against the store. */
  rest(): void {
    const { keys, local } = this.#family
    this.#process.finishSync()
    this.#syncAtRest()
    for (const key of keys) this.#process.hitAtRest(key)
    if (this.#process.isClosed) return this.#lookAtClosed()
    // Only the next one may renew the lease, where a clock was set.
    if (!this.#family.merges && this.#process.local.leaseEnd === 0) this.#syncAtRest()
    if (local === 'some' && this.#process.touched.size === 0)
      for (const key of keys) this.#process.readAtRest(key)
  }

  /** Whatever the future depends on. Ends the run. */
  state(): string {
    const left = Object.values(this.#left).join()
    const foreign = Array.from(this.#foreign.values(), showOpen).join()
    const process = this.#process.state(this.#family.keys)
    return [left, this.#clock.now, this.#store.text, foreign, this.#promises.state(), process].join('\n')
  }

  #syncAtRest(): void {
    this.#process.sync('renew')
    this.#process.finishSync()
  }

  #lookAtClosed(): void {
    const { size, leaseEnd } = this.#process.local
    if (size > 0 || leaseEnd > 0)
      throw new Violation(`after close() ${size} entries and a lease until ${leaseEnd}`)
  }

  #cause(what: Cause, which: number): void {
    const process = this.#process
    const key = this.#family.keys[which] as string
    switch (what) {
      case 'get':
        return process.get(key)
      case 'get fresh':
        return process.getFresh(key)
      case 'get alone':
        return process.getAlone(key)
      case 'get or set':
        return process.getOrSet(key)
      case 'set':
        return process.write({ do: 'set', key, tags: this.#family.tags })
      case 'delete':
        return process.write({ do: 'remove', key })
      case 'invalidate':
        return process.write(this.#family.invalidations[which] as Step)
      case 'touch':
        return process.touch(this.#family.touches[which] as Step)
      case 'commit':
      case 'roll back':
        return process.endTransaction(which, what)
      case 'renew':
      case 'sync':
        return process.sync(what)
      case 'hint':
        process.local.apply(this.#store.log[which - 1]?.told as Change)
        return this.#promises.told(which)
      case 'forge':
        return process.local.apply(forgeries(this.#family, this.#store)[which] as Change)
      case 'foreign':
        this.#store.commit(this.#store.begin(this.#family.foreign[which] as Step))
        return
      case 'begin foreign':
        this.#foreign.set(++this.#begun, this.#store.begin(this.#family.foreign[which] as Step))
        return
      case 'finish foreign':
        this.#store.commit(this.#foreign.get(which) as Open)
        this.#foreign.delete(which)
        return
      case 'new world':
        this.#store.beginWorld()
        this.#foreign.clear()
        return process.crashTransactions()
      case 'close':
        return process.close()
      case 'wait':
      case 'work':
      case 'step back':
      case 'step forward':
      case 'suspend':
      case 'freeze':
        return this.#passTime(what, this.#family.stepsMs[which] as number)
    }
  }

  #passTime(
    what: 'wait' | 'work' | 'step back' | 'step forward' | 'suspend' | 'freeze',
    stepMs: number,
  ): void {
    const { waitMs } = this.#family
    switch (what) {
      case 'wait':
        return this.#clock.advance(waitMs)
      case 'work':
        for (let left = waitMs; left > 0; left -= CHECK_PERIOD_MS) {
          this.#clock.advance(Math.min(left, CHECK_PERIOD_MS))
          this.#process.local.check()
        }
        return
      case 'step back':
        return this.#clock.step(-stepMs)
      case 'step forward':
        return this.#clock.step(stepMs)
      case 'suspend':
        return this.#clock.suspend(waitMs)
      case 'freeze':
        this.#promises.underFreeze(true)
        return this.#clock.freeze(waitMs)
    }
  }

  #isLeft(what: Cause | Fate): boolean {
    return (this.#left[what] ?? 0) > 0
  }

  #openTouched(): number[] {
    return [...this.#process.touched].filter(([, { isOver }]) => !isOver).map(([id]) => id)
  }

  #choices(what: Cause): Iterable<number> {
    const { keys, foreign, invalidations, touches } = this.#family
    const isFree = (step: Step): boolean => !isWrite(step) || !this.#store.isLocked(step.key)
    switch (what) {
      case 'get':
      case 'get fresh':
      case 'get alone':
      case 'get or set':
      case 'set':
      case 'delete':
        return keys.keys()
      case 'invalidate':
        return invalidations.keys()
      case 'touch':
        return indexes(touches, isFree)
      case 'foreign':
      case 'begin foreign':
        return indexes(foreign, isFree)
      case 'roll back':
        return this.#openTouched()
      case 'hint':
        return this.#store.toldBetween(0, this.#store.snapshot)
      case 'forge':
        return forgeries(this.#family, this.#store).keys()
      case 'renew':
      case 'sync':
        return this.#process.isSyncing ? [] : [0]
      case 'step back':
      case 'step forward':
        return this.#family.stepsMs.keys()
      case 'new world':
      case 'wait':
      case 'work':
      case 'suspend':
      case 'freeze':
      case 'close':
        return [0]
      case 'commit':
      case 'finish foreign':
        break
    }
    return [] // of their own accord
  }
}

function indexes<T>(list: readonly T[], isPossible: (item: T) => boolean): number[] {
  return [...list.keys()].filter((i) => isPossible(list[i] as T))
}

function isFate(what: Cause | Fate): what is Fate {
  return what in FATES
}
