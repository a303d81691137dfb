// Keys and values that the scenarios use.

import { KEY_PREFIX } from './contender.ts'

/** The keys of a set of that many; sets of different names have none in common. */
export function keysOf(set: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => keyOf(set, i))
}

export function keyOf(set: string, i: number): string {
  return `${KEY_PREFIX}${set}:${i}`
}

// More of them would not fit into the heap of a client.
const MAX_KEYS_AT_HAND = 100_000

/** Draws keys of a set at random, all alike. */
export function createKeyPicker(set: string, count: number): () => string {
  const anyIndex = (): number => Math.floor(Math.random() * count)
  if (count > MAX_KEYS_AT_HAND) return () => keyOf(set, anyIndex())
  const keys = keysOf(set, count)
  return () => keys[anyIndex()] as string
}

interface Value {
  readonly id: number
  readonly text: string
}

/** A value that takes `bytes` as JSON. */
export function valueOf(id: number, bytes: number): Value {
  const length = bytes - JSON.stringify({ id, text: '' }).length
  const start = id % (TEXT.length - bytes)
  return { id, text: TEXT.slice(start, start + length) }
}

// Never the same passage twice: PostgreSQL would compress a large value made of repetitions to almost nothing.
const TEXT = randomText(128 * 1024)

function randomText(length: number): string {
  let state = 0x2545_f491
  let text = ''
  while (text.length < length) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    text += (state >>> 0).toString(36)
  }
  return text.slice(0, length)
}
