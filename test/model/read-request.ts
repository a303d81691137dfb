// A read of one key, as src/read.ts makes it.

import type { Token } from '../../src/memory/tokens.ts'
import type { Row } from './abstract-store.ts'
import type { Fate } from './family.ts'
import { Flight } from './flight.ts'
import type { Process } from './process.ts'
import { type Request, showFlight, showToken, type Surroundings } from './request.ts'

/** What the server saw. */
export interface Seen {
  readonly snapshot: number
  readonly row: Row | null
  readonly world: number
  readonly at: number
  /** By the old primary: nothing is promised of such an answer itself. */
  readonly isStray: boolean
}

export class ReadRequest implements Request {
  readonly flight: Flight = new Flight()
  readonly #process: Process
  readonly #key: string
  readonly #token: Token
  #seen: Seen | undefined

  constructor(process: Process, key: string) {
    this.#process = process
    this.#key = key
    this.#token = process.local.open(key)
  }

  next(): readonly Fate[] {
    return this.#seen === undefined ? fatesOfReading(this.#process) : ['answer', 'fail']
  }

  happen(what: Fate): boolean {
    if (what === 'answer') {
      settle(this.#process, this.#token, this.flight, this.#seen as Seen)
      return false
    }
    if (what === 'fail') {
      this.#process.local.abandon(this.#token)
      this.flight.land()
      return false
    }
    this.#seen = see(this.#process, this.#key, what)
    return true
  }

  state(around: Surroundings): string {
    const { now } = around
    return `read ${this.#key} ${showToken(this.#token, now)} ${showSeen(this.#seen)} ${showFlight(this.flight, around)}`
  }
}

export function settle(process: Process, token: Token, flight: Flight, seen: Seen): void {
  const { key } = token
  const { row, snapshot, isStray } = seen
  process.settle(token, seen)
  flight.land()
  if (isStray) return
  const answer = { key, snapshot, found: row ?? 'nothing', tags: row?.tags ?? [] } as const
  process.promises.given(answer, flight.demand, 'a read')
}

const SEE: readonly Fate[] = ['see']
const SEE_OR_STRAY: readonly Fate[] = ['see', 'stray']

export function fatesOfReading({ store }: Process): readonly Fate[] {
  return store.worldBegan > 0 ? SEE_OR_STRAY : SEE
}

export function see({ store, clock }: Process, key: string, how: Fate): Seen {
  const { snapshot, world, worldBegan } = store
  const at = clock.now
  if (how === 'see') return { snapshot, row: store.find(key), world, at, isStray: false }
  return { snapshot: worldBegan - 1, row: store.findInOldWorld(key), world: world - 1, at, isStray: true }
}

export function showSeen(seen: Seen | undefined): string {
  return seen === undefined ? '' : `${seen.snapshot} ${seen.row?.from ?? 0} ${seen.world}`
}
