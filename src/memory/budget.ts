// The bytes of reads and writes under way, shared by the batchers of a process: past the limit callers get a typed
// error instead of a queue that grows.

import { CacheError } from '../core/errors.ts'

export class Budget {
  readonly #maxBytes: number
  #usedBytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Throws `overloaded`. What is alone may exceed the limit, or it could never be sent. */
  take(bytes: number, key: string | undefined): void {
    if (this.#usedBytes > 0 && this.#usedBytes + bytes > this.#maxBytes) {
      throw new CacheError(
        'overloaded',
        `${this.#usedBytes} bytes are under way and ${bytes} more would exceed \`maxPending\` (${this.#maxBytes}): ` +
          'slow down, or raise it',
        { key, option: 'maxPending' },
      )
    }
    this.#usedBytes += bytes
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes
  }
}
