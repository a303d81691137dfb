// A load, as src/load.ts makes it, but for the lock: the claim, whose snapshot is the token; the loader; the fill.

import type { Token } from '../../src/memory/tokens.ts'
import type { Row } from './abstract-store.ts'
import type { Fate } from './family.ts'
import { Flight } from './flight.ts'
import type { Process } from './process.ts'
import { fatesOfReading, type Seen, see, settle, showSeen } from './read-request.ts'
import { type Request, showFlight, showToken, type Surroundings } from './request.ts'

type Stage = 'claiming' | 'claimed' | 'loading' | 'filling' | 'filled'

const FATES: Readonly<Record<Exclude<Stage, 'claiming' | 'filling'>, readonly Fate[]>> = {
  claimed: ['answer', 'garble', 'fail'],
  loading: ['fill', 'skip', 'fail'],
  filled: ['acknowledge', 'lose'],
}

export class LoadRequest implements Request {
  readonly flight: Flight = new Flight()
  readonly #process: Process
  readonly #key: string
  readonly #token: Token
  #stage: Stage = 'claiming'
  #seen: Seen | undefined
  /** Null: the fill was refused. */
  #filled: Row | null = null
  #filledAt = 0

  constructor(process: Process, key: string) {
    this.#process = process
    this.#key = key
    this.#token = process.local.open(key)
  }

  next(): readonly Fate[] {
    if (this.#stage === 'claiming') return fatesOfReading(this.#process)
    if (this.#stage !== 'filling') return FATES[this.#stage]
    return this.#process.store.isLocked(this.#key) ? [] : ['commit write']
  }

  happen(what: Fate): boolean {
    if (what === 'answer') return this.#answer(this.#seen as Seen)
    if (what === 'garble') return this.#garble(this.#seen as Seen)
    if (what === 'fill') return this.#moveTo('filling')
    if (what === 'commit write') return this.#commit(this.#seen as Seen)
    if (what === 'acknowledge') return this.#acknowledge(this.#seen as Seen)
    if (what === 'skip' || what === 'lose') return this.#giveUnstored(this.#seen as Seen)
    if (what === 'fail') {
      this.#process.local.abandon(this.#token)
      this.flight.land()
      return false
    }
    this.#seen = see(this.#process, this.#key, what)
    return this.#moveTo('claimed')
  }

  state(around: Surroundings): string {
    const stage = `${this.#stage} ${showSeen(this.#seen)} ${this.#filled?.from ?? ''}`
    return `load ${this.#key} ${showToken(this.#token, around.now)} ${stage} ${showFlight(this.flight, around)}`
  }

  #moveTo(stage: Stage): boolean {
    this.#stage = stage
    return true
  }

  #answer(seen: Seen): boolean {
    if (seen.row === null) return this.#moveTo('loading')
    settle(this.#process, this.#token, this.flight, seen)
    return false
  }

  // The token is closed by the answer, and goes on to the fill.
  #garble(seen: Seen): boolean {
    if (seen.row !== null) this.#process.settle(this.#token, seen, 'undecodable')
    return this.#moveTo('loading')
  }

  // A fill names the world of its token.
  #commit({ snapshot, world }: Seen): boolean {
    const { store, tags, clock } = this.#process
    if (world === store.world) {
      this.#filled = store.commit(store.begin({ do: 'fill', key: this.#key, tags }, snapshot))
    }
    this.#filledAt = clock.now
    return this.#moveTo('filled')
  }

  #acknowledge(seen: Seen): boolean {
    const row = this.#filled
    if (row === null) return this.#giveUnstored(seen)
    this.#process.settle(this.#token, { row, world: seen.world, at: this.#filledAt })
    this.#process.promises.written(this.#key, row.from)
    return this.#give(seen)
  }

  #giveUnstored(seen: Seen): boolean {
    this.#process.local.forget(this.#token)
    return this.#give(seen)
  }

  #give({ snapshot, isStray }: Seen): boolean {
    this.flight.land()
    const answer = { key: this.#key, snapshot, found: 'loaded', tags: this.#process.tags } as const
    if (!isStray) this.#process.promises.given(answer, this.flight.demand, 'a load')
    return false
  }
}
