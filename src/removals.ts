// Deleting and invalidating: keys, tags and prefixes.

import type { Answers } from './answers.ts'
import { assertKeys, assertTags } from './core/key.ts'
import type { CallOptions } from './options.ts'
import type { Parts } from './wiring.ts'

export class Removals {
  readonly #parts: Parts
  readonly #answers: Answers

  constructor(parts: Parts, answers: Answers) {
    this.#parts = parts
    this.#answers = answers
  }

  async deleteMany(keys: readonly string[], options: CallOptions | undefined): Promise<boolean[]> {
    const { writer, reporter } = this.#parts
    assertKeys(keys)
    const distinct = [...new Set(keys)]
    const live = await this.#answers.send(options, () => writer.removeMany(distinct))
    const wasLive = new Map(distinct.map((key, i) => [key, live[i] === true]))
    for (const key of distinct) reporter.report('deleted', { key })
    return keys.map((key) => wasLive.get(key) === true)
  }

  async invalidate(keys: readonly string[], options: CallOptions | undefined): Promise<void> {
    const { writer, reporter } = this.#parts
    assertKeys(keys)
    const distinct = [...new Set(keys)]
    await this.#answers.send(options, () => writer.removeMany(distinct))
    reporter.report('invalidated', { keys: distinct })
  }

  async invalidateTags(tags: readonly string[], options: CallOptions | undefined): Promise<void> {
    const { writer, reporter } = this.#parts
    const distinct = assertTags(tags)
    await this.#answers.send(options, () => writer.invalidate({ tags: distinct }))
    reporter.report('invalidated', { tags: distinct })
  }

  /** The empty prefix is everything. */
  async invalidatePrefix(prefix: string, options: CallOptions | undefined): Promise<void> {
    const { writer, reporter } = this.#parts
    await this.#answers.send(options, () => writer.invalidate({ keyPrefixes: [prefix] }))
    reporter.report('invalidated', { prefix })
  }
}
