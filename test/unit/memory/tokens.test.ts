import { expect, test } from 'vitest'
import { Tokens } from '../../../src/memory/tokens.ts'

const KEY = 'profile:1'

function setup() {
  const tokens = new Tokens()
  return { tokens, token: tokens.open(KEY, 0) }
}

test('a reply may be stored when nothing happened while it was under way', () => {
  const { tokens, token } = setup()
  expect(tokens.mayStore(token, '7')).toBe(true)
})

test('a reply may be stored when the change that was heard is the one it brings', () => {
  const { tokens, token } = setup()
  tokens.heard(KEY, '7')
  expect(tokens.mayStore(token, '7')).toBe(true)
})

test('a reply may not be stored when another change of its key was heard', () => {
  const { tokens, token } = setup()
  tokens.heard(KEY, '8')
  expect(tokens.mayStore(token, '7')).toBe(false)
  expect(tokens.mayStore(token, '9')).toBe(false)
})

test('a change of another key does not matter', () => {
  const { tokens, token } = setup()
  tokens.heard('profile:2', '8')
  expect(tokens.mayStore(token, '7')).toBe(true)
})

test('a reply may not be stored after another reply for the key brought another version', () => {
  const { tokens, token } = setup()
  const other = tokens.open(KEY, 0)
  tokens.seen(KEY, '8', other)
  expect(tokens.mayStore(token, '7')).toBe(false)
  expect(tokens.mayStore(token, '8')).toBe(true)
  expect(tokens.mayStore(other, '7')).toBe(true)
})

test('two replies that contradict each other keep out every third', () => {
  const { tokens, token } = setup()
  const other = tokens.open(KEY, 0)
  tokens.seen(KEY, '8', other)
  tokens.seen(KEY, '9', other)
  for (const version of ['7', '8', '9']) expect(tokens.mayStore(token, version)).toBe(false)
})

test('a dirty token keeps out any reply, and the writer that caused it is excepted', () => {
  const { tokens, token } = setup()
  const write = tokens.open(KEY, 0)
  tokens.dirtied(KEY, write)
  expect(tokens.mayStore(token, '7')).toBe(false)
  expect(tokens.mayStore(write, '7')).toBe(true)
})

test('a change of a tag or prefix keeps out every reply under way, whatever its key', () => {
  const { tokens, token } = setup()
  tokens.broadcast()
  expect(tokens.mayStore(token, '7')).toBe(false)
  expect(tokens.mayStore(tokens.open(KEY, 0), '7')).toBe(true)
})

test('a new epoch keeps out every reply under way', () => {
  const { tokens, token } = setup()
  tokens.newEpoch()
  expect(tokens.mayStore(token, '7')).toBe(false)
  expect(tokens.mayStore(tokens.open(KEY, 0), '7')).toBe(true)
})

test('what happens after a token was closed concerns the others only', () => {
  const { tokens, token: first } = setup()
  const second = tokens.open(KEY, 0)
  const third = tokens.open(KEY, 0)
  tokens.close(second)
  tokens.close(second)
  tokens.heard(KEY, '8')
  expect(tokens.mayStore(first, '8')).toBe(true)
  expect(tokens.mayStore(third, '7')).toBe(false)
  expect(tokens.mayStore(second, '8')).toBe(false)
})

test.each([
  [0, 1, 2],
  [2, 1, 0],
  [1, 0, 2],
  [1, 2, 0],
])('nothing is kept of a key once its tokens are closed, in the order %i %i %i', (...order) => {
  const tokens = new Tokens()
  const opened = [tokens.open(KEY, 0), tokens.open(KEY, 0), tokens.open(KEY, 0)]
  const others: boolean[] = []
  for (const i of order) {
    const token = opened[i]
    if (token === undefined) continue
    others.push(tokens.hasOthers(token))
    tokens.close(token)
  }
  expect(others).toEqual([true, true, false])
  expect(tokens.openKeys).toBe(0)
})
