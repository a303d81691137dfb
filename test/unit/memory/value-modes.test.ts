import { deserialize, serialize } from 'node:v8'
import { describe, expect, test } from 'vitest'
import type { StoredContent } from '../../../src/core/entry.ts'
import { deepFreeze, resolveValueMode } from '../../../src/memory/value-modes.ts'

const decode = (content: string | Uint8Array, codec: string | null): unknown => {
  if (typeof content === 'string') return JSON.parse(content)
  return codec === 'v8' ? deserialize(content) : content
}

function text(value: unknown): StoredContent {
  return { text: JSON.stringify(value), bytes: null, codec: null }
}

function bytes(value: Uint8Array): StoredContent {
  return { text: null, bytes: value, codec: 'bytes' }
}

/** By a codec that keeps cycles, and of what is shared one copy. */
function graph(value: unknown): StoredContent {
  return { text: null, bytes: serialize(value), codec: 'v8' }
}

function hits(values: 'clone' | 'freeze' | 'share', content: StoredContent): [unknown, unknown] {
  const mode = resolveValueMode(values, decode)
  const key = 'k'
  const entry = { ...mode.toLocal({ ...content, key }), codec: content.codec, key }
  return [mode.fromLocal(entry), mode.fromLocal(entry)]
}

describe('clone', () => {
  test('gives each hit a value of its own', () => {
    const [first, second] = hits('clone', text({ tags: ['a'] }))
    expect(first).toEqual({ tags: ['a'] })
    expect(second).toEqual(first)
    expect(second).not.toBe(first)
  })

  test('gives each hit bytes of its own, even where the codec hands on what it is given', () => {
    const [first, second] = hits('clone', bytes(Buffer.from([1, 2, 3]))) as [Buffer, Buffer]
    first[0] = 9
    expect(second).toEqual(Buffer.from([1, 2, 3]))
  })

  test('does not keep the chunk alive that the driver read the bytes from', () => {
    const chunk = Buffer.alloc(65_536)
    const { held } = resolveValueMode('clone', decode).toLocal({ ...bytes(chunk.subarray(10, 20)), key: 'k' })
    expect((held as Buffer).buffer.byteLength).toBe(10)
  })
})

describe('freeze', () => {
  test('shares one value that nobody can change, at any depth', () => {
    const [first, second] = hits('freeze', text({ user: { tags: ['a', { b: 1 }] } })) as {
      user: { tags: unknown[] }
    }[]
    expect(first).toBe(second)
    expect(() => first?.user.tags.push('c')).toThrow(TypeError)
    expect(Object.isFrozen(first?.user.tags[1])).toBe(true)
  })

  test('gives each hit bytes of its own, because bytes cannot be frozen', () => {
    const [first, second] = hits('freeze', bytes(Buffer.from([1, 2, 3]))) as [Buffer, Buffer]
    first[0] = 9
    expect(second).toEqual(Buffer.from([1, 2, 3]))
  })
})

describe('share', () => {
  test('shares one value as it is', () => {
    const [first, second] = hits('share', text({ tags: ['a'] })) as { tags: string[] }[]
    first?.tags.push('b')
    expect(second?.tags).toEqual(['a', 'b'])
  })
})

test.each([null, true, 0, 1.5, '', 'text'])('every mode brings back %j', (value) => {
  for (const values of ['clone', 'freeze', 'share'] as const) {
    expect(hits(values, text(value))).toEqual([value, value])
  }
})

describe('a value with cycles and with parts that are shared', () => {
  interface Person {
    readonly name: string
    readonly friends: Person[]
  }

  test.each(['clone', 'freeze', 'share'] as const)('comes back as it was in mode %s', (values) => {
    const [ava, ben]: Person[] = [
      { name: 'Ava', friends: [] },
      { name: 'Ben', friends: [] },
    ]
    ava?.friends.push(ava, ben as Person)
    ben?.friends.push(ava as Person)
    const [first] = hits(values, graph(ava)) as [Person, Person]
    expect(first.friends[0]).toBe(first)
    expect(first.friends[1]?.name).toBe('Ben')
    expect(first.friends[1]?.friends[0]).toBe(first)
    expect(Object.isFrozen(first.friends[1]?.friends)).toBe(values === 'freeze')
  })

  test.each(['freeze', 'share'] as const)('is counted once, at any depth, in mode %s', (values) => {
    let depth32: unknown = { leaf: 'x'.repeat(1_000) }
    for (let depth = 0; depth < 32; depth++) depth32 = [depth32, depth32]
    const { bytes: counted } = resolveValueMode(values, decode).toLocal({ ...graph(depth32), key: 'k' })
    expect(counted).toBeGreaterThan(1_000)
    expect(counted).toBeLessThan(5_000)
  })
})

describe('deepFreeze', () => {
  test.each([
    ['a date', new Date(0)],
    ['a map', new Map()],
    ['bytes', Buffer.from([1])],
    ['an instance of a class', new URL('https://example.org')],
    ['a function', () => {}],
  ])('refuses %s, which stays mutable when frozen', (_name, value) => {
    expect(deepFreeze({ nested: [value] })).toBe(false)
  })

  test('freezes what is in objects that are frozen already', () => {
    const inner = { b: 1 }
    expect(deepFreeze(Object.freeze({ inner }))).toBe(true)
    expect(Object.isFrozen(inner)).toBe(true)
  })

  test('takes a document nested deeper than the stack', () => {
    let deep: unknown = 1
    for (let depth = 0; depth < 200_000; depth++) deep = [deep]
    expect(deepFreeze(deep)).toBe(true)
  })
})
