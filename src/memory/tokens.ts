// What happened to a key while a read, an own write or a load of it was under way. A reply may enter the local cache
// only if nothing happened that it might not have seen; the rules are the table of docs/architecture.md.
// Versions are compared for identity, never for order.

import type { Version } from '../core/entry.ts'

/** No row: a version like any other for `seen`. Versions of rows are decimal numbers, so neither word is one. */
export const ABSENT: Version = 'absent'
const CONFLICT: Version = 'conflict'

export class Token {
  readonly key: string
  /** Wall time before the request was sent; deadlines count from here. */
  readonly sentAt: number
  readonly epoch: number
  readonly broadcasts: number
  dirty = false
  heard: Version | undefined = undefined
  seen: Version | undefined = undefined
  open = true
  /** The other open tokens of the key, a ring of one or more; kept by Tokens. */
  next: Token
  previous: Token

  constructor(key: string, sentAt: number, epoch: number, broadcasts: number) {
    this.key = key
    this.sentAt = sentAt
    this.epoch = epoch
    this.broadcasts = broadcasts
    this.next = this
    this.previous = this
  }
}

export class Tokens {
  readonly #byKey = new Map<string, Token>()
  #epoch = 0
  #broadcasts = 0

  get openKeys(): number {
    return this.#byKey.size
  }

  open(key: string, sentAt: number): Token {
    const token = new Token(key, sentAt, this.#epoch, this.#broadcasts)
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

  mayStore(token: Token, version: Version): boolean {
    return (
      token.open &&
      token.epoch === this.#epoch &&
      token.broadcasts === this.#broadcasts &&
      !token.dirty &&
      (token.heard === undefined || token.heard === version) &&
      (token.seen === undefined || token.seen === version)
    )
  }

  hasOthers(token: Token): boolean {
    const first = this.#byKey.get(token.key)
    return first !== undefined && (first !== token || token.next !== token)
  }

  /** A change of the key: by hint or feed, in no particular order. */
  heard(key: string, version: Version): void {
    this.#each(key, (token) => {
      token.heard = token.heard === undefined || token.heard === version ? version : CONFLICT
    })
  }

  /** Another token of the key brought this version, and its caller may have been given it. */
  seen(key: string, version: Version, except: Token): void {
    this.#each(key, (token) => {
      if (token === except) return
      token.seen = token.seen === undefined || token.seen === version ? version : CONFLICT
    })
  }

  /** A reply from another world: no version can be compared with it. */
  conflicted(key: string, except: Token): void {
    this.seen(key, CONFLICT, except)
  }

  dirtied(key: string, except: Token): void {
    this.#each(key, (token) => {
      if (token !== except) token.dirty = true
    })
  }

  /** A tag or a prefix changed: whom it concerns is not known before the replies are. */
  broadcast(): void {
    this.#broadcasts++
  }

  /** What was read before can no longer be compared with what is heard from now on. */
  newEpoch(): void {
    this.#epoch++
  }

  #each(key: string, visit: (token: Token) => void): void {
    const first = this.#byKey.get(key)
    if (first === undefined) return
    let token = first
    do {
      visit(token)
      token = token.next
    } while (token !== first)
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
