import { runInNewContext } from 'node:vm'
import { setFlagsFromString } from 'node:v8'
import { expect, test } from 'vitest'
import type { StoredEntry } from '../../../src/core/entry.ts'
import { LocalCache } from '../../../src/memory/local-cache.ts'
import { LocalEntry } from '../../../src/memory/local-entry.ts'
import { resolveValueMode, type Values } from '../../../src/memory/value-modes.ts'
import { storedEntry } from './local-entries.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const COUNT = 8_000

function usedBytes(): number {
  for (let i = 0; i < 3; i++) collectGarbage()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** A string as a driver makes it: decoded anew, shared with nothing. */
function fresh(text: string): string {
  return Buffer.from(text).toString()
}

function user(i: number): object {
  return { name: `Ava Example ${i}`, email: `ava${i}@example.org`, active: true, visits: i, score: i / 7 }
}

function list<T>(length: number, item: (n: number) => T): T[] {
  return Array.from({ length }, (_, n) => item(n))
}

const decode = (content: string | Uint8Array): unknown =>
  typeof content === 'string' ? JSON.parse(content) : content

const json = (value: unknown): Partial<StoredEntry> => ({ text: fresh(JSON.stringify(value)) })
const bytes = (length: number): Partial<StoredEntry> => ({
  text: null,
  bytes: Buffer.alloc(length),
  codec: 'bytes',
})

const shapes: [string, Values, (i: number) => Partial<StoredEntry>][] = [
  ['a number', 'clone', () => json(17)],
  ['100 bytes of JSON', 'clone', (i) => json(user(i))],
  ['10 kB of JSON', 'clone', () => json('x'.repeat(10_000))],
  ['text that is not Latin-1', 'clone', () => json('日本語'.repeat(100))],
  ['small bytes', 'clone', () => bytes(40)],
  ['large bytes', 'clone', () => bytes(5_000)],
  ['a tag shared by all', 'clone', () => ({ tags: [fresh('profiles')] })],
  [
    'three tags of its own',
    'clone',
    (i) => ({ tags: ['a', 'b', 'c'].map((tag) => fresh(`tag-${tag}:${i}`)) }),
  ],
  ['a tag shared by two', 'clone', (i) => ({ tags: [fresh(`pair:${i >> 1}`)] })],
  ['a frozen document', 'freeze', (i) => json({ ...user(i), friends: [user(i + 1), user(i + 2)] })],
  ['a list of numbers', 'share', (i) => json(list(100, (n) => i + n / 7))],
  ['a list of names', 'share', (i) => json(list(20, (n) => `some name ${i}-${n}`))],
  ['a dictionary', 'share', (i) => json(Object.fromEntries(list(20, (n) => [`key-${i}-${n}`, n])))],
]

test.each(shapes)('an entry with %s costs about what is counted for it', (_name, values, fields) => {
  const mode = resolveValueMode(values, decode)
  const cache = new LocalCache({ maxEntries: COUNT, maxBytes: Number.MAX_SAFE_INTEGER }, () => {})
  const before = usedBytes()
  for (let i = 0; i < COUNT; i++) {
    const stored = storedEntry(fresh(`profile:${i}`), {
      text: fresh('1'),
      version: fresh(String(i)),
      ...fields(i),
    })
    cache.put(new LocalEntry(stored, 0, mode, Number.POSITIVE_INFINITY), 0)
  }
  const counted = cache.bytes / (usedBytes() - before)
  expect(cache.size).toBe(COUNT)
  expect(counted).toBeGreaterThan(0.9)
  expect(counted).toBeLessThan(1.7)
})
