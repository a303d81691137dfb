// A write of this process, as src/write.ts makes it.

import type { Token } from '../../src/memory/tokens.ts'
import { isWrite, type Open, type Row, showOpen, showStep, type Step, toChange } from './abstract-store.ts'
import type { Fate } from './family.ts'
import type { Process } from './process.ts'
import { type Request, showToken, type Surroundings } from './request.ts'

interface Done {
  readonly version: string
  readonly number: number
  readonly world: number
  readonly at: number
  readonly row: Row | null
}

export class WriteRequest implements Request {
  readonly #process: Process
  readonly #step: Step
  /** Of a write of one key; a change of a tag or prefix is applied like one that is heard of. */
  readonly #token: Token | null
  #open: Open | undefined
  #done: Done | undefined
  /** Its caller was told that nobody knows whether it happens. */
  #isLost = false

  constructor(process: Process, step: Step) {
    this.#process = process
    this.#step = step
    this.#token = 'key' in step ? process.local.open(step.key) : null
  }

  next(): readonly Fate[] {
    if (this.#done !== undefined) return ['acknowledge', 'lose']
    const fates: Fate[] = []
    if (this.#canCommit()) fates.push('commit write')
    if (this.#canCommit() && this.#open === undefined && isWrite(this.#step)) fates.push('begin write')
    if (!this.#isLost) fates.push('lose')
    return fates
  }

  happen(what: Fate): boolean {
    if (what === 'begin write') {
      this.#open = this.#process.store.begin(this.#step)
      return true
    }
    if (what === 'commit write') {
      this.#commit()
      return !this.#isLost
    }
    if (what === 'lose') {
      this.#lose()
      return this.#done === undefined
    }
    this.#acknowledge(this.#done as Done)
    return false
  }

  state({ now }: Surroundings): string {
    const token = this.#isLost ? 'lost' : this.#token === null ? '' : showToken(this.#token, now)
    const open = this.#open && showOpen(this.#open)
    return `${showStep(this.#step)} ${token} ${open} ${this.#done?.number}`
  }

  /** A write names the world that the last sync told of, and waits for rows that others hold. */
  #canCommit(): boolean {
    const { store, world } = this.#process
    if (this.#open !== undefined) return this.#open.asOf >= store.worldBegan
    return world === store.world && !(isWrite(this.#step) && store.isLocked(this.#step.key))
  }

  #commit(): void {
    const { store, clock } = this.#process
    const open = this.#open ?? store.begin(this.#step)
    const row = store.commit(open)
    this.#done = { row, version: open.version, number: store.snapshot, world: store.world, at: clock.now }
  }

  #lose(): void {
    const { local } = this.#process
    if (this.#token === null) local.apply(toChange('unknown', this.#step))
    else local.forget(this.#token)
    this.#isLost = true
  }

  #acknowledge(done: Done): void {
    const { local, promises } = this.#process
    const { row, version, number } = done
    if (this.#token === null) {
      local.apply(toChange(version, this.#step))
      local.acknowledged(String(done.world), version)
      promises.told(number)
      return
    }
    if (row === null) local.forget(this.#token)
    else this.#process.settle(this.#token, done)
    local.acknowledged(String(done.world), version)
    promises.written(this.#token.key, number)
  }
}
