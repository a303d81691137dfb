// add, take, increment, compareAndSet: one statement each, decided where the row is. They wait their turn among the other writes of their key.

import type { Answers } from './answers.ts'
import { invalid } from './core/check.ts'
import type { Version } from './core/entry.ts'
import { assertKey } from './core/key.ts'
import {
  type CallOptions,
  type IncrementOptions,
  INCREMENT_NAMES,
  resolveSetOptions,
  type SetOptions,
  toKeepMs,
} from './options.ts'
import type { Parts } from './wiring.ts'
import { toEntryWrite } from './entry-write.ts'

export class Atomics {
  readonly #parts: Parts
  readonly #answers: Answers

  constructor(parts: Parts, answers: Answers) {
    this.#parts = parts
    this.#answers = answers
  }

  /** `expected` null: nothing fresh may be there. */
  async writeIf(
    call: 'add' | 'compareAndSet',
    key: string,
    expected: Version | null,
    value: unknown,
    options: SetOptions | undefined,
  ): Promise<boolean> {
    const { writer, atomicStore, reporter, options: defaults } = this.#parts
    assertKey(key)
    const resolved = resolveSetOptions(options, defaults)
    const encoded = this.#answers.encodeValue(key, value)
    const write = toEntryWrite(key, encoded, resolved, null)
    const done = await this.#answers.sendUntil(options?.signal, () =>
      writer.writeAtomically(call, write, encoded.size, (world, lockTimeoutMs) =>
        atomicStore.writeIf(world, lockTimeoutMs, write, expected),
      ),
    )
    if (done) reporter.stored(key)
    return done
  }

  async increment(key: string, options: IncrementOptions | undefined): Promise<number> {
    const { writer, atomicStore, reporter, options: defaults } = this.#parts
    assertKey(key)
    const { ttlMs, graceMs, tags } = resolveSetOptions(options, defaults, INCREMENT_NAMES)
    const by = checkStep(options?.by)
    const otherwise = { tags, freshMs: ttlMs, keepMs: toKeepMs(ttlMs, graceMs) }
    const sum = await this.#answers.sendUntil(options?.signal, () =>
      writer.changeAtomically('increment', key, (world, lockTimeoutMs) =>
        atomicStore.increment(world, lockTimeoutMs, key, by, otherwise),
      ),
    )
    reporter.stored(key)
    return sum
  }

  async take(key: string, options: CallOptions | undefined): Promise<unknown> {
    const { writer, atomicStore, reporter } = this.#parts
    assertKey(key)
    const taken = await this.#answers.send(options, () =>
      writer.changeAtomically('take', key, (world, lockTimeoutMs) =>
        atomicStore.take(world, lockTimeoutMs, key),
      ),
    )
    const value = taken === null ? undefined : this.#answers.decodeStored({ key, ...taken })
    if (value === undefined) reporter.missed(key)
    else reporter.hit(key, 'store')
    if (taken !== null) reporter.report('deleted', { key })
    return value
  }
}

export function checkStep(by: unknown = 1): number {
  if (typeof by === 'number' && Number.isFinite(by)) return by
  throw invalid('by', 'a finite number', by)
}

/** Undefined and null differ: an entry that was not there has no version. */
export function checkVersion(version: unknown): Version | null {
  if (version === undefined) return null
  if (typeof version === 'string' && version !== '') return version
  throw invalid('version', 'the version of an entry, or undefined for none', version)
}
