// What others have changed is read again at once, together: otherwise each of these keys would be a miss and a statement of its own a moment later. Of
// four processes that overwrite with one call in twenty, each is told of 15 changes by the others in 100 calls of its own: every eighth read of a key is
// the first after one.

import type { Gate } from './gate.ts'
import type { Background } from './memory/background.ts'
import type { LocalView } from './memory/coherence.ts'
import type { Reader } from './read.ts'

// One statement. Whatever is beyond it was away for long, and is read when it is asked for.
const MAX_KEYS = 256
// By then a key has cost about what the miss would have, if nobody ever asks for it again.
const MAX_IN_VAIN = 8

export interface RefetchOptions {
  readonly gate: Gate
  readonly background: Background
  readonly local: LocalView
  readonly reader: Reader
}

export class Refetch {
  readonly #options: RefetchOptions
  /** With how often each was read again in vain. */
  readonly #keys = new Map<string, number>()
  #waits = false

  constructor(options: RefetchOptions) {
    this.#options = options
  }

  /** Reads the key when all of the news has been taken in: a read that is told of two changes could not be held. */
  add(key: string, inVain: number): void {
    if (inVain >= MAX_IN_VAIN || this.#keys.size === MAX_KEYS || !this.#options.local.isInUse) return
    if (this.#keys.size === 0) this.#schedule()
    this.#keys.set(key, inVain)
  }

  /** Reads nothing before resume(): more news is coming. */
  suspend(): void {
    this.#waits = true
  }

  resume(): void {
    if (!this.#waits) return
    this.#waits = false
    this.#schedule()
  }

  #schedule(): void {
    if (!this.#waits) process.nextTick(() => this.#read())
  }

  #read(): void {
    const { gate, background, local } = this.#options
    if (this.#waits) return
    const keys = [...this.#keys]
    this.#keys.clear()
    if (background.closed || !gate.admits) return
    for (const [key, inVain] of keys) {
      // Somebody may have asked meanwhile.
      if (local.lastKnown(key) === undefined) void this.#readAgain(key, inVain)
    }
  }

  async #readAgain(key: string, inVain: number): Promise<void> {
    try {
      const entry = await this.#options.reader.find(key)
      if (entry !== null) entry.readInVain = inVain + 1
    } catch {
      // Nobody asked: whoever does so next meets the same failure, and is told.
    }
  }
}
