// What happened to a key while a read, an own write or a load of it was under way. A reply may enter the local cache
// only if nothing happened that it might not have seen; the rules are the table of docs/architecture.md.
// Versions are compared for identity, never for order.

import type { Version } from '../core/entry.ts'
import { ChurningMap } from './churning-map.ts'

/** No row: a version like any other. Versions of rows are decimal numbers, so neither word is one. */
export const ABSENT: Version = 'absent'
const CONFLICT: Version = 'conflict'

export class Token {
  readonly key: string
  /** Wall time before the request was sent; deadlines count from here. */
  readonly sentAt: number
  readonly epoch: number
  /** The one version that others have told of since. */
  told: Version | undefined = undefined
  open = true
  /** The other open tokens of the key, a ring of one or more; kept by Tokens. */
  next: Token
  previous: Token

  constructor(key: string, sentAt: number, epoch: number) {
    this.key = key
    this.sentAt = sentAt
    this.epoch = epoch
    this.next = this
    this.previous = this
  }
}

export class Tokens {
  readonly #byKey = new ChurningMap<Token>()
  #epoch = 0

  get openKeys(): number {
    return this.#byKey.size
  }

  open(key: string, sentAt: number): Token {
    const token = new Token(key, sentAt, this.#epoch)
    const first = this.#byKey.get(key)
    if (first === undefined) this.#byKey.set(key, token)
    else link(token, first)
    return token
  }

  /** Closing twice does nothing. */
  close(token: Token): void {
    if (!token.open) return
    token.open = false
    if (token.next === token) this.#byKey.delete(token.key)
    else if (this.#byKey.get(token.key) === token) this.#byKey.set(token.key, token.next)
    unlink(token)
  }

  /** Not where the token was closed: nothing is told to it any more. */
  mayStore(token: Token, version: Version): boolean {
    return token.open && token.epoch === this.#epoch && (token.told === undefined || token.told === version)
  }

  /**
   * The feed, a hint or another reply tells of this version of the key. News come in no particular order: of two
   * versions one is outdated, but nobody knows which.
   */
  tell(key: string, version: Version): void {
    const first = this.#byKey.get(key)
    if (first === undefined) return
    let token = first
    do {
      token.told = token.told === undefined || token.told === version ? version : CONFLICT
      token = token.next
    } while (token !== first)
  }

  /** Something happened to the key that has no version to compare with. */
  contradict(key: string): void {
    this.tell(key, CONFLICT)
  }

  /** What is under way, for whatever key, may have missed something. */
  newEpoch(): void {
    this.#epoch++
  }
}

function link(token: Token, first: Token): void {
  token.next = first
  token.previous = first.previous
  first.previous.next = token
  first.previous = token
}

function unlink(token: Token): void {
  token.previous.next = token.next
  token.next.previous = token.previous
  token.next = token
  token.previous = token
}
