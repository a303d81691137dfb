// What others have changed and callers here were using is read again at once, together: otherwise each of these keys would be a miss and a
// statement of its own a moment later. Of four processes that overwrite with one call in twenty, each is told of 15 changes by the others
// in 100 calls of its own: every eighth read of a key is the first after one.

import type { Gate } from './gate.ts'
import type { Background } from './memory/background.ts'
import type { Reader } from './read.ts'

// One statement. Whatever is beyond it was away for long, and is read when it is asked for.
const MAX_KEYS = 256

export interface RefetchOptions {
  readonly gate: Gate
  readonly background: Background
  readonly reader: Reader
}

export class Refetch {
  readonly #options: RefetchOptions
  readonly #keys = new Set<string>()

  constructor(options: RefetchOptions) {
    this.#options = options
  }

  /** Reads the key when all of the news has been taken in: a read that is told of two changes could not be held. */
  add(key: string): void {
    if (this.#keys.size === MAX_KEYS) return
    if (this.#keys.size === 0) process.nextTick(() => this.#read())
    this.#keys.add(key)
  }

  #read(): void {
    const { gate, background, reader } = this.#options
    const keys = [...this.#keys]
    this.#keys.clear()
    if (background.closed || !gate.admits) return
    // Nobody asked: whoever does so next meets the same failure, and is told.
    for (const key of keys) void reader.find(key).catch(() => {})
  }
}
